//! What the SSH configuration comes to, with `ssh -G` as the judge.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bluegreen::model::event::Warning;
use bluegreen::ssh::config::{Files, Settings, resolve};
use bluegreen::ssh::{Address, SshError};
use bluegreen::text::notices;
use nix::unistd::{User, getuid};

use crate::sandbox;
use crate::sandbox::sshd::run;

/// A folder with a configuration; `~` is that of whoever runs the tests, as for `ssh`.
struct Desk {
    root: PathBuf,
}

impl Desk {
    fn new(config: &str) -> Desk {
        let desk = Desk {
            root: sandbox::new_root(),
        };
        desk.write("config", config);
        desk
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.root.join(name);
        fs::write(&file, text.replace("ROOT", self.root.to_str().unwrap())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn ours(&self, address: &str) -> Result<Settings, SshError> {
        let files = Files {
            user: self.root.join("config"),
            system: self.root.join("none"),
        };
        resolve(&address.parse::<Address>().unwrap(), &home(), &files)
    }

    fn theirs(&self, address: &str) -> BTreeMap<String, Vec<String>> {
        let address: Address = address.parse().unwrap();
        let mut command = Command::new("ssh");
        command.arg("-G").arg("-F").arg(self.root.join("config"));
        if let Some(port) = address.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = &address.user {
            command.args(["-l", user]);
        }
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in run(command.arg(&address.host)).lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            all.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        all
    }

    /// What both make of an address, a line for each thing that counts here.
    #[track_caller]
    fn assert_same(&self, address: &str) {
        let theirs = self.theirs(address);
        let ours = self.ours(address).unwrap();
        let one = |key: &str| theirs.get(key).map_or(String::new(), |values| values.join("\n"));
        let paths = |key: &str, between: char| -> Vec<PathBuf> {
            let values = one(key);
            let texts = values
                .split(between)
                .filter(|text| !text.is_empty() && *text != "none");
            texts.map(expanded).collect()
        };
        let said = |what: &str| format!("{what} of {address} in\n{}", self.text());
        assert_eq!(ours.host, one("hostname"), "{}", said("hostname"));
        assert_eq!(ours.port.to_string(), one("port"), "{}", said("port"));
        assert_eq!(ours.user, one("user"), "{}", said("user"));
        let jumps: Vec<String> = ours.jumps.iter().map(ToString::to_string).collect();
        let jump = Some(one("proxyjump"))
            .filter(|jump| jump != "none")
            .unwrap_or_default();
        assert_eq!(
            jumps.join(","),
            jump.replace("ssh://", ""),
            "{}",
            said("proxyjump")
        );
        if ours.identities_are_named {
            assert_eq!(
                ours.identities,
                paths("identityfile", '\n'),
                "{}",
                said("identityfile")
            );
        } else {
            for file in &ours.identities {
                assert!(
                    paths("identityfile", '\n').contains(file),
                    "{}",
                    said("identityfile")
                );
            }
        }
        assert_eq!(
            ours.certificates,
            paths("certificatefile", '\n'),
            "{}",
            said("certificatefile")
        );
        let known = paths("userknownhostsfile", ' ');
        assert_eq!(ours.user_known_hosts, known, "{}", said("userknownhostsfile"));
        let known = paths("globalknownhostsfile", ' ');
        assert_eq!(ours.global_known_hosts, known, "{}", said("globalknownhostsfile"));
        let yes_or_no = |yes: bool| if yes { "yes" } else { "no" };
        assert_eq!(
            yes_or_no(ours.identities_only),
            one("identitiesonly"),
            "{}",
            said("identitiesonly")
        );
        assert_eq!(
            yes_or_no(ours.hash_known_hosts),
            one("hashknownhosts"),
            "{}",
            said("hashknownhosts")
        );
        if one("connecttimeout") != "none" {
            let timeout = ours.connect_timeout.as_secs().to_string();
            assert_eq!(timeout, one("connecttimeout"), "{}", said("connecttimeout"));
        }
        if theirs.contains_key("hostkeyalias") {
            assert_eq!(ours.names.main, one("hostkeyalias"), "{}", said("hostkeyalias"));
        }
        if theirs.contains_key("identityagent") {
            let agent: Vec<PathBuf> = ours.agent.clone().into_iter().collect();
            assert_eq!(agent, paths("identityagent", '\n'), "{}", said("identityagent"));
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.root.join("config")).unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).ok();
    }
}

fn home() -> PathBuf {
    User::from_uid(getuid()).unwrap().unwrap().dir
}

fn expanded(text: &str) -> PathBuf {
    match text.strip_prefix("~/") {
        Some(rest) => home().join(rest),
        None => PathBuf::from(text),
    }
}

/// Each of them is tried with each address.
const CONFIGS: [&str; 12] = [
    "",
    "User early\nHost web*\n  User late\n  Port 2222\n",
    "Host web1\n  HostName 10.0.0.7\n  User=ada\n\tPort = 2222\nHost *\n  User bob\n  IdentityFile ~/.ssh/all\n",
    "Host *.example.org !db.example.org\n  ProxyJump bastion\nHost db.example.org\n  ProxyJump none\n",
    "Host web1\n  ProxyJump ada@first:2200,second,ssh://third:22\n  IdentityFile ROOT/one\n  IdentityFile \"ROOT/two words\"\n  IdentityFile ~/three\n",
    "Host web?\n  User first\n  User second\n  Port 1\n  Port 2\n  HostName %h.example.org\n",
    "Host web1 db.example.org\n  IdentitiesOnly yes\n  IdentityAgent none\n  HostKeyAlias the-alias\n  HashKnownHosts yes\n  ConnectTimeout 7\n",
    "Host *\n  IdentityAgent ROOT/agent.sock\n  UserKnownHostsFile ROOT/k1 ROOT/k2\n  GlobalKnownHostsFile ROOT/g1\n  ConnectTimeout 1m30s\n  ServerAliveInterval 3\n",
    "Include ROOT/more*.conf\nHost web1\n  User outer\n",
    "Host web1\n  Include ROOT/inner.conf\n  User outer\n  Port 2022\nHost db.example.org\n  Port 2023\n",
    "Match all\n  User everybody\nMatch originalhost web1\n  Port 2201\nMatch host 10.9.* user everybody\n  Port 2202\nMatch !originalhost web1 localuser nobody-of-this-name\n  Port 2203\n",
    "Host web1\n  ProxyCommand none\n  ProxyJump bastion\n  CertificateFile ROOT/c1-cert.pub\n  CertificateFile ~/c2-cert.pub\n# Host web1\n#  Port 9\nHost web1 # not a comment to it, but two more patterns\n  User commented\nHost \"web1\"\n  KexAlgorithms +diffie-hellman-group14-sha1\n  RemoteForward 1234 localhost:80\n  AddKeysToAgent confirm\n  ForwardAgent yes\n",
];

const ADDRESSES: [&str; 7] = [
    "web1",
    "web2",
    "ada@web1:2299",
    "db.example.org",
    "x.example.org",
    "10.9.0.1",
    "WEB1",
];

#[test]
fn it_comes_to_what_it_comes_to_for_ssh() {
    let mut seen = 0;
    for config in CONFIGS {
        let desk = Desk::new(config);
        desk.write("more1.conf", "Host web1\n  User included\n  Port 2200\n");
        desk.write("more2.conf", "Port 2201\nHost web2\n  HostName 10.0.0.2\n");
        desk.write(
            "inner.conf",
            "User inner\nHost web2 db.example.org\n  User never\n  Port 1\n",
        );
        for address in ADDRESSES {
            desk.assert_same(address);
            seen += 1;
        }
    }
    assert_eq!(seen, 84);
}

#[test]
fn tokens_are_put_in() {
    let desk = Desk::new(
        "Host web1\n HostName %h.example.org\n User deploy\n IdentityFile %d/%n-%h-%r-%p\n \
         CertificateFile ROOT/%u\n IdentityAgent ROOT/${CARGO_PKG_NAME}\n UserKnownHostsFile ROOT/%k\n \
         ProxyJump %r@jump.%h\n",
    );
    let settings = desk.ours("web1:2222").unwrap();
    let key = home().join("web1-web1.example.org-deploy-2222");
    assert_eq!(settings.identities, [key]);
    let user = User::from_uid(getuid()).unwrap().unwrap().name;
    assert_eq!(settings.certificates, [desk.root.join(user)]);
    assert_eq!(settings.agent, Some(desk.root.join("bluegreen")));
    assert_eq!(settings.user_known_hosts, [desk.root.join("web1.example.org")]);
    assert_eq!(settings.jumps, ["deploy@jump.web1.example.org".parse().unwrap()]);
}

#[test]
fn what_has_no_effect_is_said_where_it_could_matter() {
    let table = [
        (
            "Host *\n StrictHostKeyChecking no\n",
            "`ROOT/config` line 2: `StrictHostKeyChecking no` has no effect, host keys are always checked",
        ),
        ("StrictHostKeyChecking yes\n", ""),
        (
            "Match exec \"true\"\n User matched\n",
            "`ROOT/config` line 1: `Match exec` is not evaluated, so the lines under it are passed over",
        ),
        ("Match host db exec \"true\"\n User matched\n", ""),
        (
            "Match host web1 exec \"true\"\n User matched\n",
            "`ROOT/config` line 1: `Match exec` is not evaluated, so the lines under it are passed over",
        ),
        (
            "Match final\n User matched\n",
            "`ROOT/config` line 1: `Match final` is not evaluated, so the lines under it are passed over",
        ),
        ("Host db\n StrictHostKeyChecking no\n", ""),
        (
            "BindAddress 10.0.0.1\nAddressFamily any\n",
            "`ROOT/config` line 1: `bindaddress` has no effect here",
        ),
        ("SendEnv LANG\nForwardX11 no\nGSSAPIAuthentication yes\n", ""),
    ];
    let mut seen = 0;
    for (config, wanted) in table {
        let desk = Desk::new(config);
        let settings = desk.ours("web1").unwrap();
        let wanted = wanted.replace("ROOT", desk.root.to_str().unwrap());
        let warnings = settings.warnings.into_iter().map(Warning::SshSettingIgnored);
        let told: Vec<String> = warnings.map(|one| notices::warning(&one)).collect();
        assert_eq!(told.join("\n"), wanted, "{config}");
        assert_ne!(settings.user, "matched", "{config}");
        seen += 1;
    }
    assert_eq!(seen, 9);
}

#[test]
fn the_lines_of_a_match_that_is_passed_over_do_not_leak_into_the_host_above() {
    let desk = Desk::new("Host web1\n Port 2222\nMatch exec \"false\"\n User wrong\nHost *\n User right\n");
    let settings = desk.ours("web1").unwrap();
    assert_eq!((settings.user.as_str(), settings.port), ("right", 2222));
}

#[test]
fn what_is_wrong_has_a_place() {
    let table = [
        (
            "Host *\n\n Port ssh\n",
            "`ROOT/config` line 3: port: expected port number",
        ),
        (
            "Host *\n HostName \"a b\"\n",
            "`ROOT/config` line 2: hostname: `a b` is not a host name",
        ),
        (
            "ConnectTimeout soon\n",
            "`ROOT/config` line 1: connecttimeout: `soon` is no time",
        ),
        (
            "IdentityFile ~/%Z\n",
            "`ROOT/config` line 1: identityfile: `%Z` is not supported",
        ),
        (
            "ProxyJump -oProxyCommand=x\n",
            "`ROOT/config` line 1: proxyjump: `-oProxyCommand=x` is not the address of a host: a host does not begin with `-`",
        ),
        (
            "Include ROOT/config\n",
            "`ROOT/config` line 1: files include each other without an end",
        ),
        (
            "Host web1\n ProxyCommand nc %h %p\n",
            "`ROOT/config` line 2 has a `ProxyCommand`, which is not supported",
        ),
    ];
    let mut seen = 0;
    for (config, wanted) in table {
        let desk = Desk::new(config);
        let error = desk.ours("web1").unwrap_err();
        let wanted = wanted.replace("ROOT", desk.root.to_str().unwrap());
        assert_eq!(error.to_string(), wanted, "{config}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[test]
fn a_file_that_others_can_write_is_not_believed() {
    let desk = Desk::new("User mallory\n");
    let file = desk.root.join("config");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let error = desk.ours("web1").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is writable by other users, so it is not used",
            file.display()
        )
    );
    assert_eq!(
        error.into_failure("web1", "bg").hints,
        [format!("`chmod go-w {}`", file.display())]
    );
}

#[test]
fn the_users_file_comes_before_the_machines() {
    let desk = Desk::new("Host web1\n User mine\n");
    let files = Files {
        user: desk.root.join("config"),
        system: desk.write("system", "Host *\n User theirs\n Port 2222\n Include part\n"),
    };
    desk.write("part", "HostKeyAlias beside-the-machines-file\n");
    let settings = resolve(&"web1".parse().unwrap(), Path::new("/none"), &files).unwrap();
    assert_eq!((settings.user.as_str(), settings.port), ("mine", 2222));
    assert_eq!(settings.names.main, "beside-the-machines-file");
}
