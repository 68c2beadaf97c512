//! Who else is told of a run: a file of metrics, a ping URL, a webhook. None of them decides anything about it.
//!
//! Both URLs are secrets: whoever knows one can tell its receiver anything.

use super::env::Environment;
use super::pipeline::General;
use super::problem::{Findings, Problem};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use url::{Host, Url};

/// Who is told.
#[derive(Debug, Clone, Default)]
pub struct Outlets {
    /// File of Prometheus' text format, written anew at each run's end.
    pub metrics_file: Option<PathBuf>,
    /// Whether the file has lines for each table.
    pub metrics_tables: bool,
    /// Asked at the begin and at the end of a run, in the way of healthchecks.
    pub ping_url: Option<SecretString>,
    /// Sent a JSON document at the begin and at the end of a run.
    pub webhook_url: Option<SecretString>,
}

/// From the file and from variables, the later ones going before.
pub(super) fn outlets(layers: [(&General, &Path); 2], env: &Environment, findings: &mut Findings) -> Outlets {
    let mut outlets = Outlets::default();
    for (layer, base) in layers {
        let path = |text: &String| env.path(text, base);
        outlets.metrics_file = layer.metrics_file.as_ref().filter(|text| !text.is_empty()).map(path).or(outlets.metrics_file);
        outlets.metrics_tables = layer.metrics_tables.unwrap_or(outlets.metrics_tables);
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty()).map(SecretString::from);
        outlets.ping_url = given(&layer.ping_url).or(outlets.ping_url);
        outlets.webhook_url = given(&layer.webhook_url).or(outlets.webhook_url);
    }
    for (key, url) in [("ping_url", &outlets.ping_url), ("webhook_url", &outlets.webhook_url)] {
        match url.as_ref().map(|url| is_encrypted(url)) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => findings.warn(format!(
                "general.{key}: http to another machine: everybody in between can read this address and what is sent; use https"
            )),
            // Never the text itself.
            Some(Err(why)) => findings.problem(Problem::new(format!("general.{key}: {why}"))),
        }
    }
    outlets
}

/// Whether nobody in between reads along: https, or this machine.
fn is_encrypted(url: &SecretString) -> Result<bool, &'static str> {
    let wrong = "expected an address such as https://example.com/...";
    let url = Url::parse(url.expose_secret().trim()).map_err(|_| wrong)?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(wrong),
    };
    match url.scheme() {
        "https" => Ok(true),
        "http" => Ok(is_here),
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_never_shown() {
        for (text, expected) in [
            ("https://hc.example.com/sEcret", Ok(true)),
            ("http://127.0.0.1:8000/sEcret", Ok(true)),
            ("http://[::1]/sEcret", Ok(true)),
            ("http://LOCALHOST/sEcret", Ok(true)),
            ("http://localhost.example.com/sEcret", Ok(false)),
            ("http://10.0.0.1/sEcret", Ok(false)),
        ] {
            assert_eq!(is_encrypted(&SecretString::from(text)), expected, "{text}");
        }
        for text in ["sEcret", "ftp://example.com/sEcret", "https:///", "unix:/sEcret"] {
            assert!(is_encrypted(&SecretString::from(text)).is_err(), "{text}");
        }
        let outlets = Outlets { ping_url: Some(SecretString::from("https://x/sEcret")), ..Outlets::default() };
        assert!(!format!("{outlets:?}").contains("sEcret"));
    }
}
