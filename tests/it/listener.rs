//! A listener that is told of runs: it answers in one way and remembers what it heard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// With a redirect to another place of its own.
    Redirect,
    /// Not at all: the connection stays open.
    Hang,
    /// Nobody listens.
    Refuse,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Method, path and version.
    pub head: String,
    pub body: String,
}

/// Runs as long as the test's process.
pub struct Listener {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Listener {
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        if answer != Answer::Refuse {
            let told = Arc::clone(&heard);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let told = Arc::clone(&told);
                    // A client that goes away in the middle is what some tests want.
                    std::thread::spawn(move || stream.and_then(|stream| converse(stream, answer, &told)));
                }
            });
        }
        Self { port, heard }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn converse(stream: TcpStream, answer: Answer, told: &Mutex<Vec<Heard>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let length = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let heard = Heard { head: lines.first().cloned().unwrap_or_default(), body: String::from_utf8(body).expect("UTF-8") };
    told.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
    let text = match answer {
        Answer::Status(code) => format!("HTTP/1.1 {code} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        Answer::Redirect => "HTTP/1.1 302 x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into(),
        Answer::Hang | Answer::Refuse => {
            std::thread::sleep(Duration::from_secs(60));
            String::new()
        }
    };
    reader.into_inner().write_all(text.as_bytes())
}
