//! One request to an address that wants to hear of a run: a deadline, one more try, and no word of the address in any error.

use crate::error::{Error, Kind, Result};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// GET without a body.
    Get,
    /// POST of a JSON document.
    Post(String),
}

/// Sends it, twice at most, each within `deadline`. An answer of 400 to 499 is the same the second time.
///
/// # Errors
/// [`Kind::Unreachable`] with what came back. `what` names the address, which itself is a secret.
pub fn send(url: &SecretString, request: &Request, deadline: Duration, what: &str) -> Result<()> {
    let agent = agent(deadline);
    let once = || match request {
        Request::Get => agent.get(url.expose_secret()).call(),
        Request::Post(text) => agent.post(url.expose_secret()).content_type("application/json").send(text.as_str()),
    };
    let told = |answer: std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>| match answer {
        // A secret address is not passed on to where an answer points.
        Ok(answer) if answer.status().is_redirection() => {
            Err((true, format!("answered {}, which is not followed", answer.status().as_u16())))
        }
        Ok(_) => Ok(()),
        Err(ureq::Error::StatusCode(code)) => Err(((400..500).contains(&code), format!("answered {code}"))),
        Err(ureq::Error::Timeout(_)) => Err((false, format!("no answer within {} s", deadline.as_secs()))),
        Err(ureq::Error::Io(error)) => Err((false, error.kind().to_string())),
        Err(ureq::Error::HostNotFound) => Err((false, "its host is not found".into())),
        Err(ureq::Error::ConnectionFailed) => Err((false, "no connection".into())),
        Err(ureq::Error::Rustls(_) | ureq::Error::Tls(_)) => {
            Err((true, "TLS failed: its certificate is not one that is trusted".into()))
        }
        // The others may quote the address.
        Err(_) => Err((true, "the request failed".into())),
    };
    let failed = |why: String| Error::new(Kind::Unreachable, format!("{what}: {why}"));
    match told(once()) {
        Ok(()) => Ok(()),
        Err((true, why)) => Err(failed(why)),
        Err((false, _)) => told(once()).map_err(|(_, why)| failed(why)),
    }
}

fn agent(deadline: Duration) -> Agent {
    super::tls::install_provider();
    let certs: Vec<Certificate<'static>> =
        rustls_native_certs::load_native_certs().certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certs));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = Agent::config_builder()
        .timeout_global(Some(deadline))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("etl-sync/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.unversioned_rustls_crypto_provider(provider).build());
    config.build().into()
}
