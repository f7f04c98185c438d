//! The ready backups, of a real MariaDB, PostgreSQL and SQLite: restored into a scratch
//! database, they are what was there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::unistd::Uid;

use super::{backups, migrate_by, migrating, ran};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, processes, set};

const PASSWORD: &str = "hunter2-and-more";

/// Rows that are easily damaged on the way.
const ROWS: &str = "INSERT INTO orders VALUES (1, 'naïve ☕ \\'quoted\\'', 10.50), (2, NULL, 0);";

fn said_by(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn closed(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A deploy that backs up and migrates; the password is in no argument and in no output.
fn deploy(sandbox: &Sandbox) -> PathBuf {
    let deployed = sandbox.bg(&["deploy"]);
    deployed.assert_code(0).assert_says("database backed up");
    assert!(!deployed.stderr.contains(PASSWORD), "{deployed}");
    backups(sandbox).pop().unwrap()
}

/// A backup of a database that is away stops the deploy before the migration.
fn refused_without_it(sandbox: &Sandbox, color: Color) {
    let (kept, migrated) = (backups(sandbox), ran(sandbox).len());
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "the database was not backed up", color);
    assert!(!refused.stderr.contains(PASSWORD), "{refused}");
    assert_eq!(backups(sandbox), kept, "{refused}");
    assert_eq!(ran(sandbox).len(), migrated, "{refused}");
}

/// A server, ended with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

struct MariaDb {
    root: PathBuf,
    _server: Server,
}

impl MariaDb {
    fn start(sandbox: &Sandbox) -> MariaDb {
        let root = sandbox.root().join("mariadb");
        fs::create_dir(&root).unwrap();
        let data = root.join("data");
        let user: &[&str] = if Uid::effective().is_root() {
            &["--user=root"]
        } else {
            &[]
        };
        said_by(
            sandbox
                .command("mariadb-install-db")
                .args(["--no-defaults", "--auth-root-authentication-method=socket"])
                .args(["--skip-test-db", "--skip-name-resolve"])
                .arg(format!("--datadir={}", data.display()))
                .args(user),
        );
        let mut server = sandbox.command("/usr/sbin/mariadbd");
        server
            .args([
                "--no-defaults",
                "--skip-networking",
                "--innodb-buffer-pool-size=16M",
            ])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", root.join("sock").display()))
            .arg(format!("--pid-file={}", root.join("pid").display()))
            .args(user)
            .stdout(Stdio::null())
            .stderr(fs::File::create(root.join("log")).unwrap());
        let db = MariaDb {
            root,
            _server: Server(server.spawn().unwrap()),
        };
        wait_until(Duration::from_secs(60), "MariaDB answers", || {
            let mut ask = db.client(sandbox, None);
            ask.args(["-e", "SELECT 1"]).output().unwrap().status.success()
        });
        db
    }

    fn client(&self, sandbox: &Sandbox, database: Option<&str>) -> Command {
        let mut client = sandbox.command("mariadb");
        client
            .arg("--no-defaults")
            .arg(format!("--socket={}", self.root.join("sock").display()))
            .args(["--user=root", "--batch", "--default-character-set=utf8mb4"])
            .args(database);
        client
    }

    fn ask(&self, sandbox: &Sandbox, database: Option<&str>, sql: &str) -> String {
        said_by(self.client(sandbox, database).args(["-e", sql]))
    }

    /// All that is in a database, in words.
    fn all_of(&self, sandbox: &Sandbox, database: &str) -> String {
        let rows = self.ask(
            sandbox,
            Some(database),
            "SELECT *, HEX(note) FROM orders; CALL total();",
        );
        let made = "SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() \
                    UNION SELECT 'event', event_name FROM information_schema.events WHERE event_schema = DATABASE()";
        rows + &self.ask(sandbox, Some(database), made)
    }
}

#[test]
fn a_mariadb_is_backed_up_whole_and_restored_the_same() {
    let sandbox = migrating("exit 0");
    let db = MariaDb::start(&sandbox);
    let setup = format!(
        "CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE DATABASE scratch CHARACTER SET utf8mb4;
         CREATE USER backup@localhost IDENTIFIED BY '{PASSWORD}';
         GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON shop.* TO backup@localhost;
         GRANT SELECT ON mysql.proc TO backup@localhost;
         USE shop; CREATE TABLE orders (id INT PRIMARY KEY, note TEXT, total DECIMAL(8,2)); {ROWS}
         CREATE PROCEDURE total() SELECT SUM(total) AS everything FROM orders;
         CREATE TRIGGER never_less BEFORE UPDATE ON orders FOR EACH ROW SET NEW.total = GREATEST(OLD.total, NEW.total);
         CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM orders WHERE id < 0;"
    );
    db.ask(&sandbox, None, &setup);
    let before = db.all_of(&sandbox, "shop");
    assert!(
        before.contains("naïve ☕ 'quoted'") && before.contains("10.50"),
        "{before}"
    );
    let login = format!(
        "[client]\nuser=backup\npassword={PASSWORD}\nsocket={}\n[mysqldump]\nskip-comments\n",
        db.root.join("sock").display()
    );
    let file = sandbox.app_root().join("shared/backup.cnf");
    closed(&file, &login);
    sandbox.configure(|config| {
        set(config, "backup", "kind", "mariadb");
        set(config, "backup", "database", "shop");
        set(config, "backup", "options_file", "backup.cnf");
    });
    // It changes what the backup must not have.
    migrate_by(
        &sandbox,
        &format!(
            "mariadb --no-defaults --socket={} --user=root shop -e 'ALTER TABLE orders DROP COLUMN total; DROP PROCEDURE total'",
            db.root.join("sock").display()
        ),
    );
    let backup = deploy(&sandbox);
    assert!(backup.to_str().unwrap().ends_with(".sql"), "{backup:?}");
    let dump = fs::File::open(&backup).unwrap();
    let restored = db.client(&sandbox, Some("scratch")).stdin(dump).output().unwrap();
    assert!(
        restored.status.success(),
        "{}",
        String::from_utf8_lossy(&restored.stderr)
    );
    assert_eq!(db.all_of(&sandbox, "scratch"), before);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &refused,
        1,
        "holds a password and has mode 0644: run `chmod 600",
        Color::Green,
    );
    closed(&file, &login.replace(PASSWORD, "another"));
    refused_without_it(&sandbox, Color::Green);
}

struct Postgres {
    root: PathBuf,
    user: &'static str,
    server: Option<Server>,
}

impl Postgres {
    /// PostgreSQL does not run as root.
    fn start(sandbox: &Sandbox) -> Postgres {
        let mut db = Postgres {
            root: sandbox.root().join("pg"),
            user: "nobody",
            server: None,
        };
        fs::create_dir(&db.root).unwrap();
        let password = db.root.join("password");
        fs::write(&password, PASSWORD).unwrap();
        if Uid::effective().is_root() {
            let user = nix::unistd::User::from_name(db.user).unwrap().unwrap();
            for path in [&db.root, &password] {
                std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            }
        }
        let data = db.root.join("data");
        said_by(
            db.command(sandbox, "initdb")
                .args([
                    "--username=shop",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--no-sync",
                ])
                .arg(format!("--pwfile={}", password.display()))
                .arg(format!("--pgdata={}", data.display())),
        );
        let mut server = db.command(sandbox, "postgres");
        server
            .args(["-c", "listen_addresses=", "-c", "shared_buffers=8MB"])
            .arg("-k")
            .arg(&db.root)
            .arg("-D")
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        db.server = Some(Server(server.spawn().unwrap()));
        closed(
            &sandbox.app_root().join("shared/pg_service.conf"),
            &format!(
                "[shop]\nhost={}\nuser=shop\npassword={PASSWORD}\n",
                db.root.display()
            ),
        );
        wait_until(Duration::from_secs(60), "PostgreSQL answers", || {
            let mut ask = db.client(sandbox, "psql", "postgres");
            ask.args(["-c", "SELECT 1"]).output().unwrap().status.success()
        });
        db
    }

    /// One of the server's programs, which Debian keeps beside PATH.
    fn command(&self, sandbox: &Sandbox, program: &str) -> Command {
        let program = glob::glob("/usr/lib/postgresql/*/bin")
            .unwrap()
            .flatten()
            .map(|folder| folder.join(program))
            .filter(|program| program.is_file())
            .max()
            .unwrap_or_else(|| program.into());
        let mut command = if Uid::effective().is_root() {
            let mut command = sandbox.command("setpriv");
            command
                .args([format!("--reuid={}", self.user), "--regid=nogroup".to_owned()])
                .arg("--clear-groups")
                .arg(program);
            command
        } else {
            sandbox.command(program.to_str().unwrap())
        };
        command.current_dir(&self.root);
        command
    }

    fn client(&self, sandbox: &Sandbox, program: &str, database: &str) -> Command {
        let mut client = sandbox.command(program);
        client
            .env("PGSERVICEFILE", sandbox.app_root().join("shared/pg_service.conf"))
            .arg(format!("--dbname=service=shop dbname={database}"));
        client
    }

    fn ask(&self, sandbox: &Sandbox, database: &str, sql: &str) -> String {
        let mut ask = self.client(sandbox, "psql", database);
        said_by(ask.args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-c", sql]))
    }

    /// All that is in a database, as `pg_dump` writes it.
    fn all_of(&self, sandbox: &Sandbox, database: &str) -> String {
        let text = said_by(&mut self.client(sandbox, "pg_dump", database));
        // Newer versions guard each dump with a word of its own.
        let told = text
            .lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        told.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn a_postgres_is_backed_up_whole_and_restored_the_same() {
    let sandbox = migrating("exit 0");
    let db = Postgres::start(&sandbox);
    db.ask(&sandbox, "postgres", "CREATE DATABASE shop");
    db.ask(&sandbox, "postgres", "CREATE DATABASE scratch");
    let rows = ROWS.replace("\\'", "''");
    let setup = format!(
        "CREATE TABLE orders (id INT PRIMARY KEY, note TEXT, total DECIMAL(8,2)); {rows}
         CREATE VIEW large AS SELECT * FROM orders WHERE total > 10;
         CREATE FUNCTION total() RETURNS DECIMAL LANGUAGE sql AS 'SELECT SUM(total) FROM orders';"
    );
    db.ask(&sandbox, "shop", &setup);
    let before = db.all_of(&sandbox, "shop");
    assert!(
        before.contains("naïve ☕ 'quoted'") && before.contains("10.50"),
        "{before}"
    );
    sandbox.configure(|config| {
        set(config, "backup", "kind", "postgres");
        set(config, "backup", "database", "shop");
        set(config, "backup", "options_file", "pg_service.conf");
    });
    migrate_by(
        &sandbox,
        "PGSERVICEFILE=$BG_ROOT/shared/pg_service.conf psql 'service=shop dbname=shop' -c 'DROP TABLE orders CASCADE'",
    );
    let backup = deploy(&sandbox);
    assert_ne!(db.all_of(&sandbox, "shop"), before);
    said_by(db.client(&sandbox, "pg_restore", "scratch").arg(&backup));
    assert_eq!(db.all_of(&sandbox, "scratch"), before);

    // A file that was cut is no backup, though its list of contents is there.
    let whole = fs::read(&backup).unwrap();
    let cut = sandbox.root().join("cut");
    fs::write(&cut, &whole[..whole.len() - 40]).unwrap();
    let copies = crate::hooks::script(
        &sandbox,
        "copies",
        &format!("cat {} > $BG_BACKUP_FILE", cut.display()),
    );
    sandbox.configure(|config| set(config, "backup", "run", copies));
    refused_without_it(&sandbox, Color::Green);
    sandbox.configure(|config| drop(config["backup"].as_table_mut().unwrap().remove("run")));
    let login = sandbox.app_root().join("shared/pg_service.conf");
    let text = fs::read_to_string(&login).unwrap().replace(PASSWORD, "another");
    closed(&login, &text);
    refused_without_it(&sandbox, Color::Green);
}

/// `what` in a database, by Python, which has SQLite in it.
fn sqlite(sandbox: &Sandbox, file: &Path, what: &str) -> String {
    let program = format!("import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n{what}\nd.commit()\n");
    said_by(
        sandbox
            .command(crate::sandbox::python::interpreter().to_str().unwrap())
            .args(["-c", &program])
            .arg(file),
    )
}

#[test]
fn an_sqlite_file_is_copied_whole_while_it_is_written() {
    let sandbox = migrating("exit 0");
    let file = sandbox.app_root().join("shared/shop's data.db");
    sqlite(
        &sandbox,
        &file,
        "d.execute('pragma journal_mode = wal')\nd.execute('create table orders (note)')",
    );
    sqlite(
        &sandbox,
        &file,
        "d.executemany('insert into orders values (?)', [(i,) for i in range(5000)])",
    );
    sandbox.configure(|config| {
        set(config, "backup", "kind", "sqlite");
        set(config, "backup", "database", "shop's data.db");
    });
    // Somebody holds the file open, with what they have written in the log beside it.
    let mut writer = sandbox
        .command(crate::sandbox::python::interpreter().to_str().unwrap())
        .args(["-c", "import sqlite3, sys, time\nd = sqlite3.connect(sys.argv[1])\nd.execute('insert into orders values (-1)')\nd.commit()\nopen(sys.argv[2], 'w')\ntime.sleep(600)"])
        .arg(&file)
        .arg(sandbox.root().join("written"))
        .spawn()
        .unwrap();
    wait_until(Duration::from_secs(20), "a row is written", || {
        sandbox.root().join("written").exists()
    });
    let backup = deploy(&sandbox);
    let count = "print(d.execute('select count(*), min(note) from orders').fetchone())";
    assert_eq!(sqlite(&sandbox, &backup, count), "(5001, -1)\n");
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert!(
        processes::of(sandbox.root())
            .iter()
            .all(|(_, line)| !line.contains("insert into"))
    );
    fs::write(&file, "scribbled over".repeat(1000)).unwrap();
    refused_without_it(&sandbox, Color::Green);
}
