//! The few folders of the whole system that setup writes to besides NGINX's.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::command;

/// The program that moves traffic with root's rights, by its file name.
pub const SWAP: &str = "bluegreen-swap";

/// Where the registry lies below a prefix, as below `/`.
const APPS: &str = "etc/bluegreen/apps";

/// Where things of the whole system go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemFolders {
    /// The registry that setup writes: one file per app.
    pub apps: PathBuf,
    /// The program that moves traffic with root's rights.
    pub swap: PathBuf,
    /// The folder of what sudo permits.
    pub sudoers: PathBuf,
    /// The folder on everybody's PATH; for an ordinary user their own.
    pub programs: PathBuf,
    /// The folder of the host's own settings: services, log rotation. Only looked at.
    pub etc: PathBuf,
}

impl SystemFolders {
    /// The system's; all below one folder where `BG_REGISTRY` is set, as in a trial.
    #[must_use]
    pub fn of_this_user() -> SystemFolders {
        match std::env::var_os("BG_REGISTRY") {
            Some(apps) => SystemFolders::beside(Path::new(&apps)),
            None => {
                let home =
                    command::home().filter(|_| !Uid::effective().is_root() && !command::acts_for_somebody());
                let own = home.map(|home| home.join(".local/bin"));
                let system = SystemFolders::of_the_system();
                SystemFolders {
                    programs: own.unwrap_or(system.programs.clone()),
                    ..system
                }
            }
        }
    }

    fn of_the_system() -> SystemFolders {
        SystemFolders {
            apps: Path::new("/").join(APPS),
            swap: Path::new("/usr/local/libexec").join(SWAP),
            sudoers: "/etc/sudoers.d".into(),
            programs: "/usr/local/bin".into(),
            etc: "/etc".into(),
        }
    }

    /// `<prefix>/etc/bluegreen/apps` has everything below `<prefix>`; another registry has
    /// it beside itself.
    fn beside(apps: &Path) -> SystemFolders {
        let prefix = apps
            .ancestors()
            .nth(3)
            .filter(|prefix| prefix.join(APPS) == apps)
            .or(apps.parent())
            .unwrap_or(Path::new("/"));
        SystemFolders {
            apps: apps.to_owned(),
            ..SystemFolders::below(prefix)
        }
    }

    fn below(prefix: &Path) -> SystemFolders {
        SystemFolders {
            apps: prefix.join(APPS),
            swap: prefix.join("libexec").join(SWAP),
            sudoers: prefix.join("etc/sudoers.d"),
            programs: prefix.join("bin"),
            etc: prefix.join("etc"),
        }
    }

    /// Those that belong to the swap program at `swap`, known from its place alone: none
    /// where it lies in no `libexec`.
    #[must_use]
    pub fn of_swap(swap: &Path) -> Option<SystemFolders> {
        let libexec = swap.parent()?;
        let prefix = libexec.parent()?;
        if swap.file_name() != Some(OsStr::new(SWAP)) || libexec.file_name() != Some(OsStr::new("libexec")) {
            return None;
        }
        let system = SystemFolders::of_the_system();
        Some(if swap == system.swap {
            system
        } else {
            SystemFolders::below(prefix)
        })
    }

    /// What sudo permits for the sake of `app`.
    #[must_use]
    pub fn permit(&self, app: &str) -> PathBuf {
        self.sudoers.join(format!("bluegreen-{app}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::system_paths::*;

    #[test]
    fn the_swap_program_knows_its_registry_from_its_own_place() {
        let table = [
            ("/usr/local/libexec/bluegreen-swap", Some("/etc/bluegreen/apps")),
            ("/tmp/x/libexec/bluegreen-swap", Some("/tmp/x/etc/bluegreen/apps")),
            ("/tmp/x/bluegreen-swap", None),
            ("/tmp/x/libexec/bluegreen", None),
            ("/bluegreen-swap", None),
        ];
        for (swap, apps) in table {
            let folders = SystemFolders::of_swap(Path::new(swap));
            assert_eq!(
                folders.map(|folders| folders.apps),
                apps.map(PathBuf::from),
                "{swap}"
            );
        }
        assert_eq!(table.len(), 5);
    }

    #[test]
    fn a_trial_has_everything_below_one_folder() {
        let whole = SystemFolders::beside(Path::new("/tmp/x/etc/bluegreen/apps"));
        assert_eq!(whole, SystemFolders::of_swap(&whole.swap).unwrap());
        let other = SystemFolders::beside(Path::new("/tmp/x/registry"));
        assert_eq!(other.apps, Path::new("/tmp/x/registry"));
        assert_eq!(other.programs, Path::new("/tmp/x/bin"));
        assert_eq!(
            other.permit("shop"),
            Path::new("/tmp/x/etc/sudoers.d/bluegreen-shop")
        );
    }
}
