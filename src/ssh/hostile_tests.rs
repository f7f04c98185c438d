use std::path::Path;

use proptest::prelude::*;
use russh::keys::PublicKey;
use testkit::hostile;

use crate::address::Address;
use crate::config::{Files, resolve};
use crate::known_hosts::remember::line;
use crate::known_hosts::{KnownHosts, Names, Verdict};

const CONFIGS: &[&str] = &[
    "Host web1 *.example.org !db.example.org\n  HostName 10.0.0.7\n  User deploy\n  Port 2222\n  \
     IdentityFile \"~/.ssh/id of %h\"\n  ProxyJump ada@jump:22,other\n  ServerAliveInterval 1m\n",
    "Match host web1 user deploy\n  CertificateFile ~/.ssh/cert.pub\n  UserKnownHostsFile /a /b\n  \
     ConnectTimeout=10\nMatch all\n  IdentityAgent ${SSH_AUTH_SOCK}\n  HashKnownHosts yes\n",
    "Host *\n  ProxyCommand nc %h %p\n  RevokedHostKeys /etc/ssh/revoked\n  HostKeyAlias web\n  StrictHostKeyChecking no\n",
];

const KNOWN: &[&str] = &[
    "web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIChny7Op4jIH3w2E2iY/Dax42UmcheJk0UC0I4RyaVBo\n",
    "|1|WbhKUsD1wZqiwyZ4uDrhDFW7MKM=|odP++IT2cZ5uZpJYSSnm+Be0FIA= ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLb535jwu1dWI0jpknLmfKRkplO8g48s/qNIjDCimlCUqyWSWwT3pkEalNolIWb0qnoECB2XLb+T8pc54EPaUjE=\n",
    "@cert-authority *.org,!db.org ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDYLx/+KsW+KrFSNeSFujyp6ZDI2x6l9ra9GAJBSFLr1zLcdZb6G3VMzoit2tGPv+pGlMtpr0ovQM4GVMedcD4eWKO219K+1wkbMW1JUS0cOcwepAt9bthudt0WGnLTApREjuOKDl8orf7MDhhofuN6yZ9pD13lLLtHelJ7ER+jaQ==\n",
    "@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIChny7Op4jIH3w2E2iY/Dax42UmcheJk0UC0I4RyaVBo\n",
];

/// A key that stands in none of them.
const STRANGER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINaOGc8NGYLO5IU48alnUraI10+1t2tExweA9RmaSgrt";

fn stranger() -> PublicKey {
    STRANGER.parse().unwrap()
}

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn a_configuration_is_followed_or_its_line_is_named(bytes in hostile::bytes(CONFIGS)) {
        let home = tempfile::tempdir().unwrap();
        let files = Files { user: home.path().join("config"), system: home.path().join("none") };
        std::fs::write(&files.user, bytes).unwrap();
        let address: Address = "web1".parse().unwrap();
        match resolve(&address, home.path(), &files) {
            Ok(settings) => {
                let host = settings.host;
                prop_assert!(!host.starts_with('-') && !host.contains(['\0', '\n', ' ', ';', '$', '`']), "{:?}", host);
                prop_assert!(!settings.connect_timeout.is_zero());
                prop_assert!(settings.jumps.iter().all(|jump| !jump.host.starts_with('-')));
            }
            Err(error) => {
                let said = error.to_string();
                prop_assert!(said.contains(files.user.to_str().unwrap()), "{}", said);
            }
        }
    }

    #[test]
    fn no_harm_to_known_hosts_makes_a_stranger_known(bytes in hostile::bytes(KNOWN), name in hostile::name()) {
        let text = String::from_utf8_lossy(&bytes);
        let mut known = KnownHosts::default();
        known.add(Path::new("known_hosts"), &text);
        for host in ["web1", "db.org", &name] {
            let names = Names::new(host, 22, None);
            prop_assert!(!matches!(known.judge(&names, stranger().key_data()), Verdict::Known));
            drop(known.authorities(&names));
            drop(known.kinds(&names));
        }
    }

    #[test]
    fn a_place_reads_back_and_no_program_takes_it_for_an_option(text in hostile::text(PLACES)) {
        let Ok(address) = text.parse::<Address>() else { return Ok(()) };
        let user = address.user.clone().unwrap_or_default();
        for part in [&address.host, &user] {
            prop_assert!(!part.starts_with('-'), "{:?}", part);
            prop_assert!(!part.contains(char::is_whitespace) && !part.contains([';', '`', '|', '\0']), "{:?}", part);
        }
        prop_assert_eq!(address.to_string().parse::<Address>().ok(), Some(address.clone()));
        // What is written for it is one line, and found again for this host alone.
        let names = Names::new(&address.host, address.port.unwrap_or(22), None);
        let line = line(&names, &stranger(), false).unwrap();
        prop_assert!(!line.contains('\n'));
        let mut known = KnownHosts::default();
        known.add(Path::new("known_hosts"), &line);
        let other = Names::new("some.other.host", 22, None);
        prop_assert!(matches!(known.judge(&names, stranger().key_data()), Verdict::Known), "{}", line);
        prop_assert!(matches!(known.judge(&other, stranger().key_data()), Verdict::Unknown), "{}", line);
    }
}

const PLACES: &[&str] = &[
    "web1",
    "ssh://deploy@web1.example.org:2222",
    "ada@[::1]:22",
    "fe80::1%eth0",
];
