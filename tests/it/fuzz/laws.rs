//! What is written by the rules of a format is read back as it was, and what is secret is never said.

use super::targets::Around;
use crate::random::Random;
use etl_sync::app::grants::{self, Scope};
use etl_sync::catalog::convert;
use etl_sync::config::{Address, Config, Endpoint};
use etl_sync::name::quote_mysql;
use etl_sync::value::ColumnType;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;

/// Texts per law in the quick set.
const TEXTS: usize = 400;

fn times() -> usize {
    TEXTS * crate::properties::times()
}

/// Characters that the formats treat in ways of their own, and some of everything else. No line breaks: none of these
/// formats can hold one.
fn text(random: &mut Random) -> String {
    const ODD: &str = "\"'\\:=#;*@/%?&$ {}[]~!`,.|<>-_é字😀\u{feff}\t";
    let odd: Vec<char> = ODD.chars().collect();
    let piece = |random: &mut Random| match random.below(10) {
        0..4 => odd[usize::try_from(random.below(u64::try_from(odd.len()).unwrap())).unwrap()].to_string(),
        4 => ["${", "$${", "}", "\\:", "%41", "''"][usize::try_from(random.below(6)).unwrap()].to_owned(),
        _ => char::from(b"abcxyz0189"[usize::try_from(random.below(10)).unwrap()]).to_string(),
    };
    // Blank values count as not given, so a letter stands first.
    let first = std::iter::once("x".to_owned());
    first.chain((0..random.below(12)).map(|_| piece(random))).collect::<Vec<_>>().concat()
}

fn password(endpoint: &Endpoint) -> Option<&str> {
    endpoint.password.as_ref().map(ExposeSecret::expose_secret)
}

#[track_caller]
fn loaded(around: &Around, written: &str) -> Config {
    around.load().unwrap_or_else(|problems| panic!("{written:?}: {problems}"))
}

#[test]
fn an_encoded_url_gives_its_parts_back() {
    let (mut around, mut random) = (Around::new(), Random::of_environment());
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    for _ in 0..times() {
        let [user, secret, database] = [0; 3].map(|_| text(&mut random));
        let port = 1 + u16::try_from(random.below(65_535)).unwrap();
        for (name, scheme) in [("ETL_SYNC_SOURCE_URL", "mysql"), ("ETL_SYNC_WAREHOUSE_URL", "postgresql")] {
            let login = format!("{}:{}", encoded(&user), encoded(&secret));
            around.env.vars.insert(name.into(), format!("{scheme}://{login}@[::1]:{port}/{}", encoded(&database)));
        }
        let config = loaded(&around, &format!("{user} {secret} {database}"));
        for side in [&config.source, &config.warehouse] {
            assert_eq!((&side.user, password(side), &side.database), (&user, Some(secret.as_str()), &database));
            assert_eq!(side.address, Address::Tcp { host: "::1".into(), port });
        }
    }
}

#[test]
fn a_password_that_is_not_encoded_is_never_said() {
    let (mut around, mut random) = (Around::new(), Random::of_environment());
    let mut refused = 0;
    for _ in 0..times() {
        let secret = format!("pAsswArdA{}pAsswArdB{}", text(&mut random), text(&mut random));
        around.env.vars.insert("ETL_SYNC_SOURCE_URL".into(), format!("mysql://user:{secret}@host.example/db"));
        let said = match around.load() {
            Ok(config) => format!("{config:?} {}", config.source),
            Err(problems) => {
                refused += 1;
                format!("{problems} {problems:?}")
            }
        };
        assert!(!said.to_lowercase().contains("passward"), "{secret:?}: {said}");
    }
    assert!(refused > 0);
}

#[test]
fn option_files_give_their_passwords_back() {
    let (mut around, mut random) = (Around::new(), Random::of_environment());
    let escaped = |text: &str, special: &str| -> String {
        text.chars().flat_map(|c| if special.contains(c) { vec!['\\', c] } else { vec![c] }).collect()
    };
    for _ in 0..times() {
        let [secret, user] = [0; 2].map(|_| text(&mut random));
        // MySQL's option file in both quotes, libpq's password file, and a line of `.env`.
        let quote = if random.below(2) == 0 { "\"" } else { "'" };
        let written = escaped(&secret, "\\\"'");
        around.write("home/.my.cnf", format!("[client]\nuser=u\npassword = {quote}{written}{quote} # end\n").as_bytes());
        let fields = ["h", &5432.to_string(), "d", &user].map(|field| escaped(field, "\\:")).join(":");
        let fields = fields.replace("*", "\\*");
        let other = "other:5432:d:u:wrong";
        around.write("home/.pgpass", format!("# head\n{other}\n{fields}:{}\n", escaped(&secret, "\\:")).as_bytes());
        let user_in_url = utf8_percent_encode(&user, NON_ALPHANUMERIC);
        around.env.vars.insert("ETL_SYNC_WAREHOUSE_URL".into(), format!("postgresql://{user_in_url}@h:5432/d"));
        let config = loaded(&around, &secret);
        assert_eq!(password(&config.source), Some(secret.as_str()), "{written:?}");
        assert_eq!(password(&config.warehouse), Some(secret.as_str()), "{fields:?}");
    }
}

#[test]
fn variables_and_texts_of_yaml_arrive_as_they_are() {
    let (mut around, mut random) = (Around::new(), Random::of_environment());
    let url = "connections: { source: { url: \"mysql://u@h/${A_NAME}\" } }\n";
    around.env.vars.remove("ETL_SYNC_SOURCE_URL");
    for _ in 0..times() {
        let [plain, value] = [0; 2].map(|_| text(&mut random));
        let database = format!("d{}", random.below(1000));
        around.env.vars.insert("A_NAME".into(), database.clone());
        around.env.vars.insert("B_NAME".into(), value.clone());
        // JSON's strings are YAML's; `${` of a text has to be written with one more `$`.
        let written = serde_json::to_string(&plain.replace("${", "$${")).unwrap();
        let yaml = format!("{url}warehouse_schema: \"x${{B_NAME}}\"\ngeneral: {{ state_dir: {written} }}\n");
        around.write("config/pipeline.yml", yaml.as_bytes());
        let config = loaded(&around, &yaml);
        assert_eq!(config.source.database, database);
        assert_eq!(config.warehouse_schema, format!("x{value}"));
        assert_eq!(config.state_dir, around.path("config").join(&plain));
    }
}

#[test]
fn single_quotes_of_dotenv_keep_everything() {
    let (around, mut random) = (Around::new(), Random::of_environment());
    for _ in 0..times() {
        let tail = ["", "\\", "\\\\"][usize::try_from(random.below(3)).unwrap()];
        let secret = text(&mut random).replace('\'', "") + tail;
        let line = format!("# x\nexport ETL_SYNC_SOURCE_PASSWORD='{secret}' # end\nETL_SYNC_PARALLEL=3\n");
        around.write("config/.env", line.as_bytes());
        // The parser cannot read this one; then nothing may be read, rather than something else.
        if secret.len() % 2 != secret.trim_end_matches('\\').len() % 2 {
            let problems = around.load().map(|_| "read").unwrap_err();
            assert!(problems.to_string().contains(".env:2: a backslash"), "{problems}");
            continue;
        }
        let config = loaded(&around, &line);
        assert_eq!((password(&config.source), config.settings.parallel), (Some(secret.as_str()), 3), "{line}");
    }
}

#[test]
fn a_grant_is_about_the_database_it_names() {
    let mut random = Random::of_environment();
    for _ in 0..times() {
        let name: String = text(&mut random) + ["", "`", "``", ".*", "` TO x", " ON "][usize::try_from(random.below(6)).unwrap()];
        let line = format!("GRANT SELECT (`a, b`), INSERT ON {}.* TO `u`@`%` WITH GRANT OPTION", quote_mysql(&name));
        let grant = grants::parse(&line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(grant.scope, Scope::Database(name), "{line}");
        assert_eq!(
            (grant.rights, grant.to.as_str(), grant.grant_option),
            (vec!["SELECT".into(), "INSERT".into()], "`u`@`%`", true)
        );
    }
}

#[test]
fn the_name_of_a_type_is_read_as_that_type() {
    use ColumnType as T;
    let mut all = vec![T::Int16, T::Int32, T::Int64, T::Float32, T::Float64, T::Text, T::Bytes, T::Boolean, T::Date];
    all.extend([T::Jsonb, T::Json, T::Inet, T::Uuid]);
    for digits in 0..=6 {
        all.extend([T::Timestamp { digits }, T::TimestampTz { digits }, T::Interval { digits }, T::TimeOfDay { digits }]);
    }
    all.extend((1..=64).map(|bits| T::Bit { bits }));
    all.extend([1, 2, 255, 65_535, 10_485_760].map(|chars| T::Varchar { chars }));
    all.extend((1..=65).flat_map(|precision| (0..=precision.min(38)).map(move |scale| T::Decimal { precision, scale })));
    for ty in all {
        let name = ty.to_string();
        assert_eq!(convert::parse(&name), Some(ty));
        assert_eq!(
            convert::parse(&format!(" {} ", name.to_uppercase().replace('(', " ( ").replace(',', " , "))),
            Some(ty),
            "{name}"
        );
    }
}
