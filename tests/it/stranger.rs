//! A stranger where a server should be: it greets like a server without TLS and remembers all that it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// How it greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// As MariaDB without TLS; then it listens.
    Mysql,
    /// The same, and an empty packet instead of an answer to the log-in.
    MysqlThenNothing,
    /// As PostgreSQL without TLS: `N` to whatever comes first; then it listens.
    Postgres,
}

/// Runs as long as the test's process.
#[derive(Debug)]
pub struct Stranger {
    pub port: u16,
    heard: Arc<Mutex<(usize, Vec<u8>)>>,
}

impl Stranger {
    pub fn start(greeting: Greeting) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let heard = Arc::new(Mutex::new((0, Vec::new())));
        let told = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                told.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
                let told = Arc::clone(&told);
                // A client that goes away in the middle is what the tests want.
                std::thread::spawn(move || stream.and_then(|stream| converse(stream, greeting, &told)));
            }
        });
        Self { port, heard }
    }

    /// Connections that came.
    pub fn met(&self) -> usize {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// All bytes that it was sent.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

fn converse(mut stream: TcpStream, greeting: Greeting, told: &Mutex<(usize, Vec<u8>)>) -> std::io::Result<()> {
    if greeting != Greeting::Postgres {
        stream.write_all(&mysql_greeting())?;
    }
    let mut first = true;
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        told.lock().unwrap_or_else(PoisonError::into_inner).1.extend(&bytes[..count]);
        if std::mem::take(&mut first) {
            match greeting {
                Greeting::Mysql => {}
                Greeting::MysqlThenNothing => stream.write_all(&[0, 0, 0, 2])?,
                Greeting::Postgres => stream.write_all(b"N")?,
            }
        }
    }
}

/// The first packet of a server that knows protocol 4.1 and plugins, but no TLS.
fn mysql_greeting() -> Vec<u8> {
    let capabilities: u32 = 0x1 | 0x8 | 0x200 | 0x8000 | 0x8_0000;
    let [low, next, third, high] = capabilities.to_le_bytes();
    let mut body = vec![10];
    body.extend(b"10.11.0-MariaDB\0\x01\0\0\0abcdefgh\0");
    body.extend([low, next, 45, 2, 0, third, high, 21]);
    body.extend([0; 10]);
    body.extend(b"ijklmnopqrst\0mysql_native_password\0");
    let length = u8::try_from(body.len()).expect("a short greeting");
    [&[length, 0, 0, 0], &body[..]].concat()
}
