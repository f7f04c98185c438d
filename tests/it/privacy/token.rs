//! A repository that asks for a password, which stands in its address.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, python, repo, set};

const PASSWORD: &str = "glpat-s3cr3t/t0ken";
const WRITTEN: &str = "glpat-s3cr3t%2Ft0ken";

/// A server of a bare repository over HTTP, which looks at each request at the arguments of
/// all that runs on this host.
const SERVER: &str = r#"
import base64, functools, glob, http.server, sys, urllib.parse
folder, seen, login = sys.argv[1], sys.argv[2], sys.stdin.readline().strip()
wanted = "Basic " + base64.b64encode(login.encode()).decode()
secrets = [login.split(":")[1], urllib.parse.quote(login.split(":")[1], safe=""), wanted[6:]]

class Server(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        for file in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                line = open(file, errors="replace").read()
            except OSError:
                continue
            if any(secret in line for secret in secrets):
                open(seen, "a").write(line + "\n")
        if self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        open(seen + ".ok", "a").write("x")
        super().do_GET()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=folder))
print(server.server_port, flush=True)
server.serve_forever()
"#;

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(sandbox: &Sandbox) -> Server {
        use std::io::Write;
        let bare = sandbox.root().join("www/shop.git");
        fs::create_dir_all(bare.parent().unwrap()).unwrap();
        let from = sandbox.repo();
        let clone = Command::new("git")
            .args(["clone", "-q", "--bare"])
            .args([&from, &bare])
            .status();
        assert!(clone.unwrap().success());
        repo::git(&bare, &["update-server-info"]);
        let mut child = Command::new(python::interpreter())
            .args(["-c", SERVER])
            .args([bare.parent().unwrap(), &sandbox.root().join("seen")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "shop:{PASSWORD}").unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Server {
            child,
            port: port.trim().parse().unwrap(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn is_kept_quiet(said: &Outcome) {
    for secret in [PASSWORD, WRITTEN, "s3cr3t"] {
        assert!(
            !said.stdout.contains(secret) && !said.stderr.contains(secret),
            "{said}"
        );
    }
}

#[test]
fn a_password_of_the_repository_is_in_no_argument_no_output_and_no_file_but_bg_toml() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let url = |password: &str| format!("http://shop:{password}@127.0.0.1:{}/shop.git", server.port);
    sandbox.configure(|config| set(config, "source", "git", url(WRITTEN)));
    let mut said = vec![
        sandbox.bg(&["setup", "--plan"]),
        sandbox.bg(&["setup"]).assert_code(0).clone(),
    ];
    said.push(sandbox.bg(&["check"]));
    assert!(said[2].stdout.contains("***@127.0.0.1"), "{}", said[2]);
    said.push(sandbox.bg(&["deploy"]).assert_code(0).clone());
    said.push(sandbox.bg(&["check", "--json"]));
    assert!(
        fs::metadata(sandbox.root().join("seen.ok")).is_ok(),
        "nobody logged in"
    );
    let seen = fs::read_to_string(sandbox.root().join("seen")).unwrap_or_default();
    assert_eq!(seen, "", "the password stands in arguments");

    // A wrong one is refused by the server, and a plan names what changed, without either.
    sandbox.configure(|config| set(config, "source", "git", url("s3cr3t-and-wrong")));
    said.push(sandbox.bg(&["deploy"]).assert_code(1).clone());
    said.push(sandbox.bg(&["deploy", "--json"]).assert_code(1).clone());
    said.push(sandbox.bg(&["check"]));
    sandbox.configure(|config| set(config, "source", "git", url(WRITTEN) + "/../shop.git"));
    said.push(sandbox.bg(&["deploy", "--plan"]));
    sandbox.configure(|config| set(config, "source", "git", url(WRITTEN) + " "));
    said.push(sandbox.bg(&["deploy"]));
    said.push(sandbox.bg(&["history"]));
    said.iter().for_each(is_kept_quiet);

    let mut holding = crate::secret::files_with(sandbox.root(), &["s3cr3t"]);
    let manifests = sandbox.app_root().join("manifests");
    let own = [sandbox.config(), sandbox.app_root().join("bg.toml"), manifests];
    holding.retain(|file| !own.iter().any(|own| file.starts_with(own)));
    assert!(holding.is_empty(), "{holding:?}");
}
