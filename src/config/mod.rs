//! placeholder until the configuration floor is merged
#![allow(missing_docs)]
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role { Source, Replica, Warehouse }
#[derive(Clone)]
pub enum Address { Tcp { host: String, port: u16 }, Socket(PathBuf) }
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TlsMode { Disable, Require, VerifyFull }
#[derive(Clone)]
pub struct Tls { pub mode: TlsMode, pub ca_file: Option<PathBuf> }
#[derive(Clone, Copy)]
pub struct Deadlines { pub connect: Duration, pub stall: Duration, pub statement: Duration }
#[derive(Clone)]
pub struct Endpoint { pub role: Role, pub address: Address, pub user: String, pub password: Option<SecretString>, pub database: String, pub tls: Tls, pub deadlines: Deadlines }
impl std::fmt::Display for Endpoint { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.database) } }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy { Standard, Streaming, Chunked, CopyCsv, Parallel }
impl std::fmt::Display for Strategy { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(match self { Self::Standard => "standard", Self::Streaming => "streaming", Self::Chunked => "chunked", Self::CopyCsv => "copy_csv", Self::Parallel => "parallel" }) } }
