use proptest::prelude::*;
use testkit::hostile;

use crate::registry::*;

const ENTRY: &str = r#"format = 2
app = "shop"
root = "/srv/shop"
owner = "deploy"
pm2_home = "/home/deploy/.pm2"
pm2_bin = "/usr/bin/pm2"
process_name = "flask"
switch = "live"
switch_reason = "this NGINX is 1.22.1"
nginx_bin = "/usr/sbin/nginx"
nginx_conf = "/etc/nginx/nginx.conf"
nginx_pid = "/run/nginx.pid"
link_folder = "/var/lib/bluegreen/shop"
"#;

/// A registry with one app, beside files that look like entries of it.
fn registry() -> (tempfile::TempDir, Registry) {
    let around = tempfile::tempdir().unwrap();
    let folder = around.path().join("apps");
    std::fs::create_dir_all(folder.join("deeper")).unwrap();
    let bait = [
        around.path().join("shop"),
        around.path().join("bait"),
        folder.join("deeper/shop"),
    ];
    for name in bait.iter().chain([&folder.join("shop"), &folder.join(".hidden")]) {
        std::fs::write(name.with_extension("toml"), ENTRY).unwrap();
    }
    std::fs::write(folder.join(".toml"), ENTRY).unwrap();
    (around, Registry::in_folder(folder))
}

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn only_a_name_of_an_app_finds_anything(name in hostile::name()) {
        let (_around, registry) = registry();
        match registry.find(&name) {
            Ok(_) => prop_assert_eq!(name, "shop"),
            Err(RegistryError::Unknown { .. }) => prop_assert!(is_app_name(&name)),
            Err(RegistryError::NoName(_)) => prop_assert!(!is_app_name(&name)),
            Err(other) => prop_assert!(false, "{:?}: {}", name, other),
        }
    }

    #[test]
    fn an_entry_is_the_apps_own_or_refused_by_its_path(bytes in hostile::bytes(&[ENTRY])) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.toml");
        std::fs::write(&path, bytes).unwrap();
        match Registry::in_folder(folder.path()).find("shop") {
            Ok(entry) => prop_assert!(entry.app == "shop" && entry.format <= Entry::FORMAT),
            Err(error) => prop_assert!(error.to_string().contains(path.to_str().unwrap()), "{}", error),
        }
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let (around, registry) = registry();
    let absolute = around.path().join("bait").display().to_string();
    for name in [
        "../bait",
        "../apps/shop",
        "deeper/shop",
        "./shop",
        ".hidden",
        "",
        &absolute,
        "shop\n",
    ] {
        let error = registry.find(name).unwrap_err();
        assert!(matches!(error, RegistryError::NoName(_)), "{name}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    assert!(registry.find("shop").is_ok());
}

#[test]
fn a_newer_entry_and_that_of_another_app_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::in_folder(folder.path());
    let found = |text: &str| {
        std::fs::write(folder.path().join("shop.toml"), text).unwrap();
        registry.find("shop").unwrap_err()
    };
    let newer = ENTRY.replace("format = 2", "format = 3\nsharding = true");
    assert!(
        found(&newer)
            .to_string()
            .ends_with("was written by a newer bluegreen")
    );
    let unknown = ENTRY.replace("format = 2", "format = 2\nsharding = true");
    assert!(matches!(found(&unknown), RegistryError::Broken { .. }));
    let other = ENTRY.replace("app = \"shop\"", "app = \"../shop\"");
    assert!(found(&other).to_string().ends_with("is that of `../shop`"));
    assert_eq!(registry.entries(), [], "none of them is taken for an entry");
}
