use crate::store::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn folders_are_laid_out_once() {
    let temp = tempfile::tempdir().unwrap();
    let layout = Layout::new(temp.path().join("my shop"));
    let created = lay_out(&layout).unwrap();
    assert_eq!(created.len(), 12);
    assert_eq!(created[0], layout.root());
    assert_eq!(mode(&layout.envs()), 0o700);
    assert_eq!(mode(&layout.releases()), 0o711);
    assert_eq!(mode(&layout.runs()), 0o750);
    fs::set_permissions(layout.envs(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(lay_out(&layout).unwrap(), Vec::<PathBuf>::new());
    assert_eq!(mode(&layout.envs()), 0o700);
}

#[test]
fn a_file_where_a_folder_belongs_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let layout = Layout::new(temp.path());
    fs::write(layout.venvs(), "").unwrap();
    let error = lay_out(&layout).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot create the folder `{}`", layout.venvs().display())
    );
}

#[test]
fn a_link_is_replaced_and_a_leftover_of_a_killed_run_is_no_obstacle() {
    let temp = tempfile::tempdir().unwrap();
    let link = temp.path().join("blue");
    symlink("killed", temp.path().join(".blue.new")).unwrap();
    point(&link, Path::new("one")).unwrap();
    point(&link, Path::new("two")).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("two"));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}

#[test]
fn a_file_is_replaced_as_a_whole_with_its_mode() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("secret");
    fs::write(&path, "a longer old text").unwrap();
    write_whole(&path, b"new", 0o600).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}

/// Whoever may write into the folder has planted links under every name that could be guessed.
#[test]
fn a_file_is_written_through_no_planted_link() {
    let temp = tempfile::tempdir().unwrap();
    let (folder, victim) = (temp.path().join("theirs"), temp.path().join("victim"));
    fs::create_dir(&folder).unwrap();
    fs::write(&victim, "as it was").unwrap();
    fs::set_permissions(&victim, Permissions::from_mode(0o600)).unwrap();
    let pid = std::process::id();
    let guesses = [
        ".bg.toml.tmp",
        ".bg.toml.new",
        "bg.toml.tmp",
        "bg.toml~",
        "bg.toml",
    ]
    .map(str::to_owned);
    for name in guesses.into_iter().chain([format!(".bg.toml.{pid}.tmp")]) {
        symlink(&victim, folder.join(name)).unwrap();
    }
    write_whole(&folder.join("bg.toml"), b"new", 0o644).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
    assert_eq!(mode(&victim), 0o600);
    let written = folder.join("bg.toml");
    assert!(fs::symlink_metadata(&written).unwrap().is_file());
    assert_eq!(fs::read_to_string(written).unwrap(), "new");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 6);
}

/// Root may write anywhere, so as root this test runs itself again as nobody.
#[test]
fn read_only_folders_do_not_stop_a_removal() {
    const HERE: &str = "BG_TEST_REMOVAL";
    if !nix::unistd::geteuid().is_root() {
        let temp = std::env::var_os(HERE).map_or_else(std::env::temp_dir, PathBuf::from);
        let temp = tempfile::tempdir_in(temp).unwrap();
        let release = temp.path().join("release");
        fs::create_dir_all(release.join("package/data")).unwrap();
        fs::write(release.join("package/data/file"), "").unwrap();
        for folder in ["package/data", "package"] {
            fs::set_permissions(release.join(folder), Permissions::from_mode(0o555)).unwrap();
        }
        discard(&release).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    fs::set_permissions(temp.path(), Permissions::from_mode(0o777)).unwrap();
    let copy = temp.path().join("tests");
    // By a program: what this one has open to write, programs that other tests start have too.
    let copied = std::process::Command::new("cp")
        .arg(std::env::current_exe().unwrap())
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["--exact", &this_test("read_only_folders_do_not_stop_a_removal")])
        .env(HERE, temp.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn only_plain_files_are_read_and_only_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "0123456789").unwrap();
    assert_eq!(read_plain(&file, 4).unwrap(), b"0123");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for other in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
        assert_eq!(
            read_plain(other, 4).unwrap_err().to_string(),
            "it is no file",
            "{other:?}"
        );
    }
    assert_eq!(
        read_plain(&folder.path().join("none"), 4).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

/// As the runner of the tests calls the test `name` of this file.
fn this_test(name: &str) -> String {
    let (_, module) = module_path!().split_once("::").unwrap();
    format!("{module}::{name}")
}
