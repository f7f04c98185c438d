//! Pages of the commands of every day: the log, a command in a color's environment, data that
//! the app has written beside its code, and workers.

use std::fs;

use super::Book;
use crate::sandbox::ports::Port;
use crate::sandbox::{Sandbox, set};
use crate::worker::scene::{add, let_beat, worker};

/// Reads logs and runs commands, while blue is live and green is warm.
pub fn reading(book: &mut Book, sandbox: &Sandbox) {
    book.page("logs");
    book.when("blue is live");
    book.types(sandbox, "logs -n 4").assert_code(0);
    book.when("a worker that bg.toml does not have");
    book.types(sandbox, "logs --worker mail").assert_code(1);
    book.page("exec");
    book.when("in the environment of blue");
    book.types(sandbox, "exec blue -- pwd").assert_code(0);
    book.when("a program that is not there");
    book.types(sandbox, "exec green -- nonesuch").assert_code(1);
    book.when("a program that fails");
    book.types(sandbox, "exec green -- sh -c 'exit 3'").assert_code(3);
}

/// Leaves data in the release that is live, and has it moved.
pub fn moving_data(book: &mut Book, sandbox: &Sandbox) {
    let live = sandbox.live_release();
    let uploads = sandbox.app_root().join("releases").join(live).join("uploads");
    fs::create_dir(&uploads).unwrap();
    fs::write(uploads.join("1.txt"), "of a visitor").unwrap();
    book.page("data");
    book.when("a visitor has uploaded a file");
    book.types(sandbox, "data").assert_code(0);
    sandbox.commit("the prices of December", |_| ());
    book.types(sandbox, "deploy").assert_code(1);
    book.follows(sandbox, "data move").assert_code(0);
    book.when("moved, and bg.toml does not name it");
    book.types(sandbox, "deploy").assert_code(1);
    sandbox.configure(|config| drop(config.insert("shared".into(), vec!["uploads"].into())));
    book.when("bg.toml has that line");
    book.types(sandbox, "deploy --plan").assert_code(0);
    book.types(sandbox, "data").assert_code(0);
}

/// Gives the app a worker.
pub fn working(book: &mut Book, sandbox: &Sandbox) {
    book.page("worker");
    book.when("bg.toml has no worker");
    book.types(sandbox, "worker run mail").assert_code(3);
    sandbox.configure(|config| {
        add(config, worker("mail", ""));
        // What held an earlier deploy.
        config["gate"].as_table_mut().unwrap().remove("smoke");
    });
    let_beat(sandbox);
    sandbox.commit("a worker for mail", |repo| {
        fs::write(repo.join("work.py"), include_str!("../worker/work.py")).unwrap();
    });
    book.when("a release with a worker `mail`");
    book.types(sandbox, "deploy").assert_code(0);
    book.types(sandbox, "status").assert_code(0);
    book.when("while PM2 keeps that worker running");
    book.types(sandbox, "worker run mail").assert_code(4);
    sandbox.pm2(&["stop", "flask-worker-mail"]).assert_code(0);
    book.when("somebody stopped it");
    book.types(sandbox, "status").assert_code(0);
    book.follows(sandbox, "repair").assert_code(0);
}

/// Types what is said beside a color that is live already, and then what is said beside that.
pub fn to_and_fro(book: &mut Book, sandbox: &Sandbox) {
    book.page("switch");
    book.when("a release with a worker");
    book.types(sandbox, "switch blue").assert_code(0);
    book.follows(sandbox, "switch").assert_code(0);
    book.follows(sandbox, "rollback").assert_code(0);
}

/// Shows the idle color, once NGINX has a port for that.
pub fn previewing(book: &mut Book, sandbox: &Sandbox, port: &Port) {
    book.page("preview");
    book.when("bg.toml has no port for it");
    book.types(sandbox, "preview").assert_code(1);
    sandbox.configure(|config| set(config, "nginx", "loopback_port", i64::from(port.number())));
    book.follows(sandbox, "setup").assert_code(0);
    book.types(sandbox, "preview").assert_code(0);
    book.types(sandbox, "status").assert_code(0);
    book.when("while the site is closed");
    book.types(sandbox, "maintenance on --but-preview").assert_code(0);
    book.types(sandbox, "maintenance off").assert_code(0);
    book.types(sandbox, "preview --for 90m").assert_code(0);
    book.follows(sandbox, "preview --off").assert_code(0);
    book.when("there is none any more");
    book.types(sandbox, "preview --off").assert_code(0);
}

/// Sends the idle color some of the visitors, more, and none again.
pub fn sharing(book: &mut Book, sandbox: &Sandbox) {
    book.page("canary");
    book.types(sandbox, "canary 1%").assert_code(0);
    book.types(sandbox, "status").assert_code(0);
    book.follows(sandbox, "promote").assert_code(0);
    book.when("while both colors serve visitors");
    book.types(sandbox, "deploy").assert_code(1);
    book.follows(sandbox, "abort").assert_code(0);
    book.when("there is no canary any more");
    book.types(sandbox, "promote").assert_code(1);
}
