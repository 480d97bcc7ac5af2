use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::process::Process;
use crate::programs::NGINX;
use crate::supervisor::{Supervisor, text};
use crate::{Error, port};

/// An nginx that balances over servers of HTTP, on a free port of the loopback address.
///
/// It asks the next server when one refuses the connection, and takes none out for long. Dropping it
/// kills it and removes its folder; so does the end of the process, however it ends.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    port: u16,
}

impl Nginx {
    /// Starts it in front of `upstreams`, which may be away, and returns when it accepts
    /// connections.
    ///
    /// # Errors
    ///
    /// When nginx [is not installed](Error::is_not_installed), or does not start.
    pub async fn start(upstreams: &[SocketAddr]) -> Result<Self, Error> {
        let program = NGINX.find()?;
        let supervisor = Arc::new(Supervisor::start().await?);
        port::starting(async |port| {
            let nginx = Self::new(&supervisor, &program, upstreams, port)?;
            let is_ready = |log: String| log.contains("start worker process ");
            nginx.process.start(|server| is_ready(server.log())).await?;
            Ok(nginx)
        })
        .await
    }

    /// The loopback address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        port::at(self.port)
    }

    /// The process id; `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    fn new(
        supervisor: &Arc<Supervisor>,
        program: &Path,
        upstreams: &[SocketAddr],
        port: u16,
    ) -> Result<Self, Error> {
        let file = supervisor.dir().join("nginx.conf");
        supervisor.write(&file, &config(upstreams, port))?;
        let prefix = text(supervisor.dir())?;
        let (program, file) = (text(program)?, text(&file)?);
        // Its own place for the log of the start is not for everyone to write to.
        let argv = [&program, "-p", &prefix, "-e", "stderr", "-c", &file];
        let argv = argv.map(str::to_owned).to_vec();
        let process = Process::new(Arc::clone(supervisor), argv);
        Ok(Self { process, port })
    }
}

fn config(upstreams: &[SocketAddr], port: u16) -> String {
    let mut config = "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr notice;\n\
                      events { worker_connections 4096; }\nhttp {\naccess_log off;\n"
        .to_owned();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _infallible = writeln!(config, "{kind}_temp_path {kind};");
    }
    config.push_str("upstream app {\n");
    for upstream in upstreams {
        let _infallible = writeln!(config, "server {upstream} max_fails=0;");
    }
    let _infallible = write!(
        config,
        "keepalive 32;\n}}\nserver {{\nlisten 127.0.0.1:{port};\nlocation / {{\nproxy_pass http://app;\n\
         proxy_http_version 1.1;\nproxy_set_header connection \"\";\nproxy_set_header host $http_host;\n}}\n}}\n}}\n"
    );
    config
}
