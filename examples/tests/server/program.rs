//! The program: its start, its environment, its end.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::client::get;

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
    /// What it says at its start, up to where it listens.
    pub(crate) said: String,
}

impl Server {
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_with(environment, Stdio::null())
    }

    /// With a log that can be read.
    pub(crate) fn start_logged(environment: &[(&str, &str)]) -> Self {
        Self::start_with(environment, Stdio::piped())
    }

    /// The first line of the log with `text`; the log ends there.
    pub(crate) fn log_line_with(&mut self, text: &str) -> String {
        let log = BufReader::new(self.process.stderr.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        lines.find(|line| line.contains(text)).unwrap()
    }

    fn start_with(environment: &[(&str, &str)], log: Stdio) -> Self {
        let mut process = command(environment)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (mut address, mut said) = (None, String::new());
        for line in BufReader::new(process.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            said = format!("{said}{line}\n");
            address = address.or(line
                .strip_prefix("listening on http://")
                .map(|a| a.parse().unwrap()));
            if line.starts_with("try: ") {
                break;
            }
        }
        let address = address.expect("the server says where it listens");
        Self {
            process,
            address,
            said,
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }

    pub(crate) fn in_memory() -> Self {
        Self::start(&[("DATABASE_URL", "memory:")])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Plans whose limits no test meets that is not about them.
const ROOMY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/roomy.toml");

/// The server on a free port, with this environment, roomy plans and nothing else of ours.
///
/// `cargo test` builds the program first; with `--test server` it does not, and the last one
/// built is what runs.
fn command(environment: &[(&str, &str)]) -> Command {
    let test: PathBuf = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let mut command = Command::new(target.join("examples/server"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("PORT", "0");
    command.env("PLANS", ROOMY);
    command.envs(environment.iter().copied());
    command
}

pub(crate) fn output(environment: &[(&str, &str)]) -> Output {
    command(environment).output().unwrap()
}

#[test]
fn a_wrong_value_stops_the_start_with_one_line_that_names_it() {
    for (variable, value, accepted) in [
        ("HOST", "localhost:80", "an IP address"),
        ("PORT", "70000", "a port from 0 to 65535"),
        ("PORT", "", "a port from 0 to 65535"),
        ("DATABASE_URL", "mysql://x", "a URL such as postgres://"),
        ("DATABASE_URL", "postgres://", "a URL such as postgres://"),
        (
            "DATABASE_URL",
            "postgres://a@b/c?sslmode=allow",
            "sslmode=allow is none of disable, prefer, require, verify-ca and verify-full",
        ),
        (
            "DATABASE_URL",
            "postgres://a@b/c?sslmode=verify-full&sslrootcert=/nowhere",
            "sslrootcert=/nowhere",
        ),
        (
            "DATABASE_READ_REPLICAS",
            "postgres://a@b:port/c",
            "a URL such as postgres://",
        ),
        ("DATABASE_POOL_MAX", "0", "from 1 to 1000"),
        ("DATABASE_POOL_MAX", "many", "from 1 to 1000"),
        ("DATABASE_POOL_MIN", "-1", "from 0 to 1000"),
        ("DATABASE_POOL_MIN", "21", "more than DATABASE_POOL_MAX=20"),
        ("DATABASE_REPLICA_POOL_MAX", "1e3", "from 1 to 1000"),
        ("CORS_ORIGINS", "example.com", "origins such as https://"),
        (
            "CORS_ORIGINS",
            "https://a.example/path",
            "origins such as https://",
        ),
        ("DRAIN_MS", "1h", "from 0 to 3600000"),
        (
            "ADMIN_TOKEN",
            "short",
            "at least 8 visible ASCII characters",
        ),
        (
            "SECRET_KEYS",
            "c2hvcnQ=",
            "at least 32 bytes each in base64",
        ),
        ("PLANS", "/nowhere", "a file of plans in TOML (No such file"),
        ("RUST_LOG", "a=b=c", "a filter such as info"),
    ] {
        let output = output(&[(variable, value)]);
        assert_eq!(output.status.code(), Some(2), "{variable}={value}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let value = match variable {
            "ADMIN_TOKEN" => "(5 characters)",
            "SECRET_KEYS" => "(8 characters)",
            _ => value,
        };
        assert!(text.starts_with(&format!("{variable}={value}: ")), "{text}");
        assert!(text.contains(accepted), "{text}");
    }
}

#[test]
fn a_redis_that_is_none_stops_the_start_with_one_line() {
    for (value, accepted) in [
        ("localhost:6379", "a URL such as redis://"),
        ("redis-sentinel://a:1", "rediss://, and names one"),
        ("rediss://a?cacert=/nowhere", "/nowhere"),
    ] {
        let output = output(&[("REDIS_URL", value)]);
        assert_eq!(output.status.code(), Some(2), "{value}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with(&format!("REDIS_URL={value}: ")), "{text}");
        assert!(text.contains(accepted), "{text}");
    }
}

#[test]
fn what_is_wrong_is_shown_without_its_password_and_on_one_line() {
    for (value, shown) in [
        ("mysql://ann:s3cret@host/db", "mysql://ann:***@host/db: "),
        (
            "postgres://ann@host/db?password=s3cret&sslmode=x",
            "postgres://ann@host/db?password=***&sslmode=x: ",
        ),
        ("a\nb", "a\\nb: "),
    ] {
        let output = output(&[("DATABASE_URL", value)]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(&format!("DATABASE_URL={shown}")), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let output = output(&[("REDIS_URL", "redis://ann:s3cret@host:port")]);
    let text = String::from_utf8(output.stderr).unwrap();
    let shown = "REDIS_URL=redis://ann:***@host:port: ";
    assert!(
        text.starts_with(shown) && !text.contains("s3cret"),
        "{text}"
    );
    let mut strange = command(&[]);
    strange.env("ADMIN_TOKEN", OsStr::from_bytes(b"s3cret\xff"));
    let text = String::from_utf8(strange.output().unwrap().stderr).unwrap();
    assert_eq!(text, "ADMIN_TOKEN=(7 characters): expected UTF-8\n");

    let server = Server::start(&[("DATABASE_URL", "memory:"), ("DATABASE_POOL_MAX", "1")]);
    assert_eq!(get(&server, "acme", "/api/v1/plugins").status, 200);
}

#[test]
fn a_connection_that_never_asks_is_closed() {
    use std::io::Read as _;
    let server = Server::in_memory();
    // Nothing, and the beginning of what HTTP/2 begins with.
    let streams = ["", "PRI * HT"].map(|begin| {
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut stream, begin.as_bytes()).unwrap();
        let patience = std::time::Duration::from_secs(20);
        stream.set_read_timeout(Some(patience)).unwrap();
        stream
    });
    for mut stream in streams {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the end");
    }
}

#[test]
fn replicas_without_their_primary_stop_the_start() {
    let output = output(&[("DATABASE_READ_REPLICAS", "postgres://a@localhost/b")]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("DATABASE_URL must name their primary"),
        "{text}"
    );
}

#[test]
fn a_taken_port_stops_the_start() {
    let server = Server::in_memory();
    let port = server.address.port().to_string();
    let output = output(&[("PORT", &port), ("DATABASE_URL", "memory:")]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("cannot listen on 127.0.0.1"), "{text}");
}

#[test]
fn help_names_every_variable_with_its_default() {
    let mut command = command(&[]);
    let output = command.arg("--help").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for variable in [
        "HOST",
        "PORT",
        "INSTANCE_ID",
        "DATABASE_URL",
        "DATABASE_READ_REPLICAS",
        "DATABASE_POOL_MAX",
        "DATABASE_POOL_MIN",
        "DATABASE_REPLICA_POOL_MAX",
        "REDIS_URL",
        "CORS_ORIGINS",
        "ADMIN_TOKEN",
        "SECRET_KEYS",
        "DRAIN_MS",
        "GRACE_MS",
        "PLANS",
        "RUST_LOG",
    ] {
        assert!(
            text.contains(&format!("[env: {variable}")),
            "{variable} in {text}"
        );
    }
    for default in ["127.0.0.1", "8080", "20", "30", "info"] {
        assert!(text.contains(&format!("[default: {default}]")), "{text}");
    }
}

#[test]
fn a_termination_signal_ends_it_in_order() {
    let mut server = Server::in_memory();
    assert_eq!(get(&server, "acme", "/api/v1/plugins").status, 200);
    server.terminate();
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}
