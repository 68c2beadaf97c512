//! rustls for both drivers: one crypto provider, the system's trust store or one CA file.

use crate::config::{Tls, TlsMode};
use crate::error::{Doing, Error, Kind, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// Makes ring the process's provider. Both drivers build their TLS from it and one of them panics without it.
pub fn install_provider() {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        log::trace!("a TLS provider was installed before");
    }
}

/// The client configuration of the postgres connector.
///
/// # Errors
/// [`Kind::Config`] when the CA file cannot be read or holds no certificate, [`Kind::Refused`] when no system trust
/// store is found.
pub fn client_config(tls: &Tls, what: &str) -> Result<ClientConfig> {
    install_provider();
    if tls.mode == TlsMode::Require {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        return Ok(ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth());
    }
    Ok(ClientConfig::builder().with_root_certificates(roots(tls.ca_file.as_deref(), what)?).with_no_client_auth())
}

fn roots(ca_file: Option<&Path>, what: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let reading = || format!("reading the CA file {} of {what}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).doing(Kind::Config, reading)? {
            roots.add(certificate.doing(Kind::Config, reading)?).doing(Kind::Config, reading)?;
        }
        if roots.is_empty() {
            return Err(Error::new(Kind::Config, format!("{}: no certificate in it", reading())));
        }
        return Ok(roots);
    }
    let (usable, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        return Err(Error::new(Kind::Refused, format!("no certificate authorities found on this machine to verify {what}"))
            .hint("install the ca-certificates package or name a ca_file"));
    }
    Ok(roots)
}

/// An error of connecting as a refusal, with what to do, when TLS is what it failed at. Neither driver has a kind for it.
#[must_use]
pub fn refusal(error: Error) -> Error {
    // Without the first level, which holds names of users and databases.
    let cause = error.chain().split_off(1).join(": ");
    let hint = if cause.contains("does not support TLS") {
        "the password was not sent: give the server a certificate, or connect by a tunnel; for a network that you trust write \
         tls disable-insecure"
    } else if cause.contains("not valid for name") || cause.contains("NotValidForName") {
        "connect by a name that the server's certificate holds, or give the server a certificate for this name"
    } else if ["expired", "Expired", "not valid yet", "NotValidYet"].iter().any(|word| cause.contains(word)) {
        "give the server a certificate of today, or correct the clock of this machine"
    } else if cause.contains("certificate") {
        "the password was not sent: name the authority that signed the server's certificate in ca_file; when it is named \
         there already, this may be another server than you mean"
    // A connection that breaks later ends without TLS's own farewell, and that is no refusal.
    } else if cause.contains("TLS") && !cause.contains("close_notify") {
        "check the TLS settings of the server"
    } else {
        return error;
    };
    error.as_kind(Kind::Refused).hint(hint)
}

/// Mode `require`: encrypted, but anybody may be at the other end. The configuration warns about it on each run.
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_at_tls_is_a_refusal_and_nothing_else() {
        let at = |cause: &str| {
            let error =
                Error::with(Kind::Unreachable, "connecting to source mysql://TLS@h/certificate", std::io::Error::other(cause));
            let error = refusal(error);
            (error.kind(), error.what_to_do().to_owned())
        };
        for (cause, hint) in [
            ("the server does not support TLS", "the password was not sent"),
            ("error performing TLS handshake: server does not support TLS", "disable-insecure"),
            ("invalid peer certificate: UnknownIssuer", "ca_file"),
            ("invalid peer certificate: BadSignature", "ca_file"),
            ("invalid peer certificate: certificate not valid for name \"h\"; certificate is only valid for x", "by a name"),
            ("invalid peer certificate: certificate expired: verification time 2 (UNIX)", "of today"),
            ("TLS: received fatal alert: HandshakeFailure", "TLS settings"),
        ] {
            let (kind, told) = at(cause);
            assert!(kind == Kind::Refused && told.contains(hint), "{cause}: {kind:?} {told}");
        }
        for cause in ["connection refused", "peer closed connection without sending TLS close_notify: see a page"] {
            assert_eq!(at(cause).0, Kind::Unreachable, "{cause}");
        }
    }
}
