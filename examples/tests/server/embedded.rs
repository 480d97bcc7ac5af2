//! The database that the server brings itself.

use std::fs;
use std::process::Command;

use crate::database::{ready, until};
use crate::marketplace::works;
use crate::program::Server;

/// What still runs or lies around of the servers that this server embedded.
fn left_of(pid: u32) -> Vec<String> {
    let run = format!("run-{pid}-");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let command = |process: fs::DirEntry| {
        let command = fs::read(process.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(&run).then_some(command)
    };
    let bases = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let bases = bases.filter(|base| base.file_name().to_string_lossy().starts_with("testkit-"));
    let folders = bases.flat_map(|base| fs::read_dir(base.path()).into_iter().flatten().flatten());
    let folder = |folder: fs::DirEntry| {
        let name = folder.file_name().to_string_lossy().into_owned();
        name.starts_with(&run).then_some(name)
    };
    processes
        .filter_map(command)
        .chain(folders.filter_map(folder))
        .collect()
}

#[tokio::test]
async fn without_a_database_it_brings_its_own_and_leaves_nothing() {
    for signal in ["TERM", "KILL"] {
        let mut server = Server::start(&[]);
        ready(&server).await;
        works(&server);
        let pid = server.process.id();
        assert!(left_of(pid).len() > 2, "primary, standby and folder");
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &pid.to_string()]);
        assert!(kill.status().unwrap().success());
        let ended = server.process.wait().unwrap();
        assert_eq!(ended.success(), signal == "TERM");
        until("nothing is left", || left_of(pid).is_empty()).await;
    }
}
