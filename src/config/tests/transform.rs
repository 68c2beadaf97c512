//! The step after the load: what chooses the tool, where relative paths start, variables before the file.

use super::Place;
use crate::config::Tool;
use std::time::Duration;

fn file(text: &str) -> Place {
    Place::new().file("config/pipeline.yml", &format!("transform:\n{text}"))
}

#[test]
fn nothing_is_transformed_unless_a_directory_is_named() {
    let default = Place::new().good().transform;
    assert_eq!(
        (default.tool.clone(), default.command.as_str(), default.args.as_slice()),
        (Tool::None, "dbt", &["build".to_owned()][..])
    );
    assert_eq!((default.source_name.as_str(), default.timeout), ("raw", Duration::from_secs(7200)));
    assert_eq!((default.freshness_warn_h, default.freshness_error_h, default.select.len()), (24, 720, 0));
    for (text, tool) in [
        ("  project_dir: ../dbt\n  sql_dir: sql\n", "dbt"),
        ("  project_dir: ''\n  sql_dir: sql\n", "sql"),
        ("  tool: sql\n  project_dir: ../dbt\n  sql_dir: sql\n", "sql"),
        ("  tool: none\n  project_dir: ../dbt\n", "none"),
    ] {
        assert_eq!(file(text).good().transform.tool.word(), tool, "{text}");
    }
    for (text, words) in [
        ("  tool: dbt\n  sql_dir: sql\n", "transform.tool needs transform.project_dir"),
        ("  tool: sql\n", "transform.tool needs transform.sql_dir"),
        ("  tool: make\n", "is not one of auto, dbt, sql, none"),
        ("  timeout_s: 0\n", "0 is not in 1 to 604800"),
        ("  freshness_warn_h: 48\n  freshness_error_h: 24\n", "freshness_error_h is below"),
    ] {
        let problems = file(text).problems();
        assert!(problems.iter().any(|problem| problem.contains(words)), "{text}: {problems:?}");
    }
}

#[test]
fn paths_start_at_their_layer_and_variables_go_first() {
    let text = "  command: bin/dbt\n  project_dir: dbt\n  profiles_dir: ~/.dbt\n  target: prod\n  select: tag:a  tag:b\n  args: build --fail-fast\n";
    let place = file(text);
    let of_file = place.good().transform;
    assert_eq!(of_file.tool, Tool::Dbt(place.path("config/dbt")));
    assert_eq!(of_file.command, place.path("config/bin/dbt").display().to_string());
    assert_eq!(of_file.profiles_dir, Some(place.path("home/.dbt")));
    assert_eq!((of_file.select.join("|"), of_file.args.join("|")), ("tag:a|tag:b".into(), "build|--fail-fast".into()));
    let place = place.var("ETL_SYNC_TRANSFORM_PROJECT_DIR", "other").var("ETL_SYNC_TRANSFORM_COMMAND", "dbt-1.11");
    let place = place.var("ETL_SYNC_TRANSFORM_TIMEOUT_S", "60").var("ETL_SYNC_TRANSFORM_SOURCE_NAME", "opendental");
    let of_vars = place.good().transform;
    assert_eq!((of_vars.tool, of_vars.command.as_str()), (Tool::Dbt(place.path("other")), "dbt-1.11"));
    assert_eq!(
        (of_vars.timeout.as_secs(), of_vars.source_name.as_str(), of_vars.target.as_deref()),
        (60, "opendental", Some("prod"))
    );
}
