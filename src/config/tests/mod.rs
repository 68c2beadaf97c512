//! Tests of the configuration as a whole: a folder of its own per test, an environment of its own, never the process's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod examples;
mod files;
mod layers;
mod resolve;
mod rules;
mod transform;
mod url;
mod window;

use super::{Config, Environment, Overrides, Problems, load};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

/// A working directory with files, and an environment that knows nothing else.
pub(super) struct Place {
    dir: tempfile::TempDir,
    pub env: Environment,
}

/// The two URLs that every run needs.
const URLS: [(&str, &str); 2] =
    [("ETL_SYNC_SOURCE_URL", "mysql://u@localhost/app"), ("ETL_SYNC_WAREHOUSE_URL", "postgresql://u@localhost/dw")];

impl Place {
    /// Without any variable.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = Environment {
            vars: BTreeMap::new(),
            home: Some(dir.path().join("home")),
            cwd: dir.path().to_path_buf(),
            cores: 2,
            unreadable: Vec::new(),
        };
        std::fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir, env }
    }

    /// With the two URLs.
    pub fn new() -> Self {
        URLS.iter().fold(Self::bare(), |place, (name, value)| place.var(name, value))
    }

    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.env.vars.insert(name.into(), value.into());
        self
    }

    /// A file with mode 0600.
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    pub fn load(&self) -> Result<Config, Problems> {
        load(&Overrides::default(), &self.env)
    }

    pub fn good(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Each problem as it is shown.
    pub fn problems(&self) -> Vec<String> {
        match self.load() {
            Ok(config) => panic!("accepted: {config:?}"),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }
}
