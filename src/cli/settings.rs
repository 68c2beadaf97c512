//! From flags to a configuration. Warns of passwords that flags show to everybody on the machine.

use super::args::Global;
use crate::config::{self, Config, Environment, Overrides};
use crate::error::Error;

/// Loads the configuration with the flags on top.
///
/// # Errors
/// [`Kind::Config`] with every problem, one per line.
pub fn load(global: &Global) -> Result<Config, Error> {
    warn_of_passwords(global);
    let overrides = Overrides {
        source_url: global.source_url.clone(),
        replica_url: global.replica_url.clone(),
        warehouse_url: global.warehouse_url.clone(),
        warehouse_schema: global.schema.clone(),
        parallel: global.parallel,
        config_dir: global.config_dir.clone(),
        state_dir: global.state_dir.clone(),
        // The flag can only say yes.
        accept_new_source: global.accept_new_source.then_some(true),
    };
    Ok(config::load(&overrides, &Environment::of_process())?)
}

/// Everybody on the machine can read a process's arguments.
fn warn_of_passwords(global: &Global) {
    let urls = [
        ("--source-url", &global.source_url),
        ("--replica-url", &global.replica_url),
        ("--warehouse-url", &global.warehouse_url),
    ];
    for (flag, url) in urls {
        if url.as_deref().is_some_and(has_password) {
            log::warn!("{flag}: the process list shows this password to everybody on this machine; use the environment");
        }
    }
}

fn has_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(login, _)| login);
    login.is_some_and(|login| login.contains(':')) || url.contains("password=")
}
