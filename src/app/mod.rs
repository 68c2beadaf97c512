//! The commands, each told from top to bottom. They return data; printing is the command line's.

pub mod planning; // from two catalogs and the configuration to a plan
pub mod sync; // the main job: a run from start to end
