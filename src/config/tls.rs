//! The words for TLS: ours, libpq's and MySQL's, mapped to the modes that keep what they promise.

use super::endpoint::TlsMode;
use super::problem::{Problem, nearest};

/// The words we offer.
const WORDS: [&str; 4] = ["disable", "disable-insecure", "require", "verify-full"];

/// Reads a TLS word. `place` names where it stands. The word itself is only repeated when it is a known one.
///
/// # Errors
/// An unknown word, or one whose meaning we refuse, with the reason.
pub(super) fn mode(word: &str, place: &str) -> Result<TlsMode, Problem> {
    let plain = word.trim().to_ascii_lowercase().replace('_', "-");
    match plain.as_str() {
        "disable" | "disabled" => Ok(TlsMode::Disable),
        "disable-insecure" => Ok(TlsMode::DisableInsecure),
        "require" | "required" => Ok(TlsMode::Require),
        "verify-full" | "verify-identity" => Ok(TlsMode::VerifyFull),
        "prefer" | "preferred" | "allow" => Err(Problem::new(format!(
            "{place}: `{plain}` falls back to an unencrypted connection whenever somebody in between asks for it; \
             use verify-full, require or disable"
        ))),
        "verify-ca" => Err(Problem::new(format!(
            "{place}: `verify-ca` cannot be kept: the MySQL driver also trusts the public authorities, so any public \
             certificate would pass; use verify-full"
        ))),
        _ => {
            let near = nearest(&plain, WORDS);
            Err(Problem::new(format!("{place}: not a TLS mode; modes are {}", WORDS.join(", "))).near(near))
        }
    }
}

/// JDBC's `useSSL`: true verifies, false is plain.
///
/// # Errors
/// Neither true nor false.
pub(super) fn use_ssl(word: &str, place: &str) -> Result<TlsMode, Problem> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(TlsMode::VerifyFull),
        "false" | "0" => Ok(TlsMode::Disable),
        _ => Err(Problem::new(format!("{place}: expected true or false"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_of_three_worlds() {
        for (word, want) in [
            ("disable", Ok(TlsMode::Disable)),
            ("DISABLED", Ok(TlsMode::Disable)),
            ("disable-insecure", Ok(TlsMode::DisableInsecure)),
            ("DISABLE_INSECURE", Ok(TlsMode::DisableInsecure)),
            ("require", Ok(TlsMode::Require)),
            ("REQUIRED", Ok(TlsMode::Require)),
            ("verify-full", Ok(TlsMode::VerifyFull)),
            ("verify_full", Ok(TlsMode::VerifyFull)),
            ("VERIFY_IDENTITY", Ok(TlsMode::VerifyFull)),
            ("prefer", Err("falls back")),
            ("PREFERRED", Err("falls back")),
            ("allow", Err("falls back")),
            ("verify-ca", Err("public authorities")),
            ("VERIFY_CA", Err("public authorities")),
            ("verify-ful", Err("nearest: `verify-full`")),
            ("sEcret", Err("modes are")),
            ("", Err("modes are")),
        ] {
            match (mode(word, "tls"), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{word}"),
                (Err(got), Err(want)) => {
                    let got = got.to_string();
                    assert!(got.contains(want) && !got.contains("sEcret"), "{word}: {got}");
                }
                (got, want) => assert_eq!(format!("{got:?}"), format!("{want:?}"), "{word}"),
            }
        }
        assert_eq!(use_ssl("true", "x").unwrap(), TlsMode::VerifyFull);
        assert_eq!(use_ssl("False", "x").unwrap(), TlsMode::Disable);
        assert!(use_ssl("maybe", "x").is_err());
    }
}
