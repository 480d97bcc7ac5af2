use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, run};
use crate::servers;
use crate::workspace::Workspace;

/// What an installed nginx writes to, and where it is written here.
const PLACES: &[(&str, &str)] = &[
    ("/var/log/nginx/", ""),
    ("/run/nginx.pid", "nginx.pid"),
    (
        "http {",
        "http {\nclient_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c;\n\
         uwsgi_temp_path d; scgi_temp_path e;",
    ),
];

/// Has nginx read the file that we ship, with another prefix.
pub(crate) fn nginx(workspace: &Workspace) -> Result<(), Failure> {
    let place = std::env::temp_dir().join(format!("xtask-nginx-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    let outcome = read(&workspace.root().join("docs/deploy"), &place);
    fs::remove_dir_all(&place)?;
    outcome
}

fn read(files: &Path, place: &Path) -> Result<(), Failure> {
    let mut config = fs::read_to_string(files.join("nginx.conf"))?;
    for (theirs, ours) in PLACES {
        if !config.contains(theirs) {
            return Err(Failure::new(format!("nginx.conf does not name {theirs}")));
        }
        config = config.replace(theirs, ours);
    }
    let file = place.join("nginx.conf");
    fs::write(&file, config)?;
    fs::copy(files.join("upstreams.conf"), place.join("upstreams.conf"))?;
    let program = servers::find("nginx").ok_or_else(|| Failure::new("there is no nginx"))?;
    let mut nginx = Command::new(program);
    nginx.args(["-t", "-q", "-e", "stderr", "-p"]).arg(place);
    run(nginx.arg("-c").arg(file))
}
