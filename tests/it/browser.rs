//! A headless Chromium, driven by chromedriver over the WebDriver protocol (W3C): just what the tests of the page need, over a
//! plain socket. Every wait has a deadline.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest wait for an answer; a browser that starts on a busy machine needs some seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// What keeps it from everything but the page: no network, no state of others, nothing that is updated meanwhile.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// The browser with one page.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

/// Whether both programs are installed.
pub fn is_installed() -> bool {
    let there =
        |name: &str| std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(name).is_file());
    there("chromium") && there("chromedriver")
}

impl Browser {
    /// Starts one with a profile of its own.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, so that its browser ends with it.
            .process_group(0)
            .spawn()
            .expect("chromedriver starts");
        let out = BufReader::new(driver.stdout.take().expect("a pipe"));
        let mut lines = out.lines().map(|line| line.expect("chromedriver's words"));
        let port = lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser =
            Self { driver, port: port.expect("chromedriver says its port"), session: String::new(), _profile: profile };
        let folder = format!("--user-data-dir={}", browser._profile.path().join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([folder.as_str()]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.ask("POST", "/session", &wanted)["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("/session/{session}");
        browser
    }

    /// Opens a file.
    pub fn open(&self, file: &Path) {
        self.post("/url", &json!({"url": format!("file://{}", file.display())}));
    }

    /// What a function body returns in the page.
    pub fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", &json!({"script": body, "args": []}))
    }

    /// Clicks an element as a person does: it has to be visible and not covered.
    pub fn click(&self, selector: &str) {
        self.script(&format!("document.querySelector({selector:?}).scrollIntoView({{block: 'center', behavior: 'instant'}})"));
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Types into an element.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// The visible text of an element.
    pub fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        let text = self.ask("GET", &format!("{}/element/{element}/text", self.session), &Value::Null);
        text.as_str().expect("a text").to_owned()
    }

    /// Makes the window so wide, in pixels of CSS, and the system's colours light or dark.
    pub fn looks(&self, width: u32, is_phone: bool, scheme: &str) {
        let metrics =
            json!({"width": width, "height": 800, "deviceScaleFactor": if is_phone { 2 } else { 1 }, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// A picture of the whole page.
    pub fn picture(&self, file: &Path) {
        let answer = self.devtools("Page.captureScreenshot", &json!({"format": "png", "captureBeyondViewport": true}));
        let bytes = from_base64(answer["data"].as_str().expect("a picture"));
        assert!(bytes.starts_with(b"\x89PNG"), "a picture is PNG");
        std::fs::write(file, bytes).expect("the picture can be written");
    }

    /// What the page complained of: errors of scripts, what the policy refused.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("no element {selector}")).to_owned()
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), body)
    }

    /// One request, and the `value` of its answer.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("chromedriver answers");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline can be set");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).expect("a request can be sent");
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a head within the deadline");
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
                length = value.trim().parse().unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).expect("an answer within the deadline");
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        assert!(answer["value"]["error"].is_null(), "{method} {path}: {}", answer["value"]);
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The whole group: a browser whose driver is gone would stay.
        let group = format!("-{}", self.driver.id());
        Command::new("kill").args(["-KILL", "--", &group]).status().map_or_else(|e| eprintln!("{e}"), drop);
        self.driver.wait().map_or_else(|e| eprintln!("{e}"), drop);
    }
}

/// RFC 4648, with padding.
fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [0_u32; 256];
    (0..).zip(ALPHABET).for_each(|(value, letter)| values[usize::from(*letter)] = value);
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0, |bits, letter| bits << 6 | values[usize::from(*letter)]) << (6 * (4 - group.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    out
}

#[test]
fn pictures_are_decoded() {
    assert_eq!(from_base64("iVBORw0K"), b"\x89PNG\r\n");
    assert_eq!((from_base64("YQ=="), from_base64("YWI=")), (b"a".to_vec(), b"ab".to_vec()));
}
