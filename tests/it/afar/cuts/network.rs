//! A network of its own for a client: a namespace whose only way out is a pair of virtual
//! cards to this machine, and in which every packet can be dropped. Gone when it is dropped.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;

use crate::sandbox::ports::Port;
use crate::sandbox::sshd::run;

/// The namespace and the two cards.
pub struct Network {
    name: String,
    /// The card on this machine's side.
    outer: String,
    here: Ipv4Addr,
    there: Ipv4Addr,
    /// Its number, which no other test has, names the cards and their addresses.
    _claim: Port,
}

impl Network {
    /// Makes one, or says why that cannot be tried here.
    pub fn new() -> Result<Network, String> {
        if !nix::unistd::getuid().is_root() {
            return Err("only root makes network namespaces".to_owned());
        }
        tidy_up_after_the_dead();
        let claim = Port::free();
        let number = claim.number();
        let (here, there) = addresses(number);
        let network = Network {
            name: format!("bgt-{}-{number}", std::process::id()),
            outer: format!("bgo{number}"),
            here,
            there,
            _claim: claim,
        };
        network.ip(&["netns", "add", &network.name])?;
        let inner = format!("bgi{number}");
        network.ip(&[
            "link",
            "add",
            &network.outer,
            "type",
            "veth",
            "peer",
            "name",
            &inner,
        ])?;
        network.ip(&["link", "set", &inner, "netns", &network.name])?;
        network.ip(&["addr", "add", &format!("{here}/30"), "dev", &network.outer])?;
        network.ip(&["link", "set", &network.outer, "up"])?;
        let there = format!("{}/30", network.there);
        network.ip(&["-n", &network.name, "addr", "add", &there, "dev", &inner])?;
        network.ip(&["-n", &network.name, "link", "set", &inner, "up"])?;
        Ok(network)
    }

    /// This machine, as the client sees it.
    pub fn here(&self) -> Ipv4Addr {
        self.here
    }

    /// The same command, run by the client in there; its process id is that of the command.
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside
            .args(["netns", "exec", &self.name])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null());
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside
    }

    /// From here on every packet is dropped, and nobody is told.
    pub fn cut(&self) {
        for direction in ["input", "output"] {
            let chain = format!("{{ type filter hook {direction} priority 0; policy drop; }}");
            self.nft(&["add", "table", "ip", "cut"]);
            self.nft(&["add", "chain", "ip", "cut", direction, &chain]);
        }
    }

    /// Packets pass again.
    pub fn mend(&self) {
        self.nft(&["delete", "table", "ip", "cut"]);
    }

    fn nft(&self, args: &[&str]) {
        run(Command::new("ip")
            .args(["netns", "exec", &self.name, "nft"])
            .args(args));
    }

    fn ip(&self, args: &[&str]) -> Result<(), String> {
        let output = Command::new("ip").args(args).output();
        let output = output.map_err(|error| format!("`ip` cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("`ip {}`: {}", args.join(" "), why.trim()))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.ip(&["link", "del", &self.outer]).ok();
        self.ip(&["netns", "del", &self.name]).ok();
    }
}

/// Two neighbours in 198.18.0.0/15, which RFC 2544 sets apart for tests: a net of four
/// addresses for each of our ports.
fn addresses(number: u16) -> (Ipv4Addr, Ipv4Addr) {
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + u32::from(number) * 4;
    (Ipv4Addr::from(first + 1), Ipv4Addr::from(first + 2))
}

/// Removes the namespaces of a killed run of these tests; their cards go with them.
fn tidy_up_after_the_dead() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let names = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
            let maker = name.strip_prefix("bgt-").and_then(|rest| rest.split('-').next());
            if maker.is_some_and(|maker| !Path::new("/proc").join(maker).exists()) {
                Command::new("ip").args(["netns", "del", &name]).output().ok();
            }
        }
    });
}

#[test]
fn every_number_has_a_net_of_its_own() {
    assert_eq!(addresses(10_000).0, Ipv4Addr::new(198, 18, 156, 65));
    assert_eq!(addresses(29_999).1, Ipv4Addr::new(198, 19, 212, 190));
    let net = |number| u32::from(addresses(number).0) / 4;
    assert_ne!(net(10_000), net(10_001));
    assert_eq!(u32::from(addresses(10_000).1) / 4, net(10_000));
}
