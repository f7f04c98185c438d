use std::fs;

use crate::git::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A repository with a work tree, which tests change and commit to.
pub(crate) struct Origin {
    pub(crate) folder: PathBuf,
}

impl Origin {
    pub(crate) async fn new(folder: PathBuf) -> Origin {
        fs::create_dir_all(&folder).unwrap();
        let origin = Origin { folder };
        origin.git(&["init", "--quiet", "--initial-branch=main"]).await;
        origin
    }

    pub(crate) async fn git(&self, args: &[&str]) -> String {
        let command = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(["-c", "protocol.file.allow=always"])
            .args(args.iter().copied())
            .folder(&self.folder);
        command.run().await.unwrap().stdout.trim().to_owned()
    }

    /// Commits everything that lies in the folder, and says the hash.
    pub(crate) async fn commit(&self, subject: &str) -> String {
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "--allow-empty", "-m", subject])
            .await;
        self.git(&["rev-parse", "HEAD"]).await
    }

    pub(crate) fn url(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// A mirror that has just fetched this.
    pub(crate) async fn mirrored(&self) -> Git {
        let git = Git::new(self.folder.with_file_name("mirror.git"));
        git.fetch(self.url(), MINUTE).await.unwrap();
        git
    }
}

async fn origin() -> (tempfile::TempDir, Origin) {
    let temp = tempfile::tempdir().unwrap();
    let origin = Origin::new(temp.path().join("a repo with spaces")).await;
    (temp, origin)
}

#[tokio::test]
async fn a_branch_a_tag_and_both_kinds_of_hash_are_found() {
    let (_temp, origin) = origin().await;
    let first = origin.commit("First\n\nand more").await;
    origin.git(&["tag", "-a", "v1", "-m", "tagged"]).await;
    let second = origin.commit("Second").await;
    let git = origin.mirrored().await;
    for (reference, sha) in [
        ("main", &second),
        ("v1", &first),
        (first.as_str(), &first),
        (&first[..7], &first),
    ] {
        assert_eq!(&git.resolve(reference).await.unwrap().sha, sha, "{reference}");
    }
    let commit = git.resolve("v1").await.unwrap();
    assert_eq!(
        (commit.subject.as_str(), commit.author.as_str()),
        ("First", "Ada")
    );
    assert_eq!(git.subject(&second).await.unwrap(), "Second");
}

#[tokio::test]
async fn a_branch_wins_over_a_tag_of_its_name() {
    let (_temp, origin) = origin().await;
    origin.commit("Old").await;
    origin.git(&["tag", "main"]).await;
    let branch = origin.commit("New").await;
    let git = origin.mirrored().await;
    assert_eq!(git.resolve("main").await.unwrap().sha, branch);
}

#[tokio::test]
async fn a_second_fetch_follows_rewritten_and_deleted_branches() {
    let (_temp, origin) = origin().await;
    origin.commit("One").await;
    origin.git(&["branch", "feature"]).await;
    let git = origin.mirrored().await;
    origin
        .git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "Rewritten"])
        .await;
    origin.git(&["branch", "-D", "feature"]).await;
    origin.git(&["branch", "feature/part"]).await;
    git.fetch(origin.url(), MINUTE).await.unwrap();
    assert_eq!(git.resolve("main").await.unwrap().subject, "Rewritten");
    assert!(git.resolve("feature").await.is_err());
    assert!(git.resolve("feature/part").await.is_ok());
}

#[tokio::test]
async fn an_unknown_name_is_answered_with_its_neighbours() {
    let (_temp, origin) = origin().await;
    origin.commit("One").await;
    origin.git(&["tag", "release-12"]).await;
    let git = origin.mirrored().await;
    for (reference, text) in [
        (
            "mian",
            "`mian` is not a branch, tag or commit of the repository, did you mean `main`?",
        ),
        (
            "origin/main",
            "`origin/main` is not a branch, tag or commit of the repository, did you mean `main`?",
        ),
        (
            "relase-12",
            "`relase-12` is not a branch, tag or commit of the repository, did you mean `release-12`?",
        ),
        (
            "--output=/tmp/x",
            "`--output=/tmp/x` is not a branch, tag or commit of the repository, has it been pushed?",
        ),
        (
            "HEAD",
            "`HEAD` is not a branch, tag or commit of the repository, has it been pushed?",
        ),
    ] {
        assert_eq!(git.resolve(reference).await.unwrap_err().to_string(), text);
    }
}

#[tokio::test]
async fn a_short_hash_of_several_commits_is_refused() {
    let (_temp, origin) = origin().await;
    let mut seen = std::collections::BTreeSet::new();
    let tree = origin.git(&["write-tree"]).await;
    let short = loop {
        let subject = seen.len().to_string();
        let sha = origin.git(&["commit-tree", &tree, "-m", &subject]).await;
        origin.git(&["branch", &format!("no-hash-{subject}"), &sha]).await;
        if !seen.insert(sha[..4].to_owned()) {
            break sha[..4].to_owned();
        }
        assert!(seen.len() < 3000);
    };
    let git = origin.mirrored().await;
    let error = git.resolve(&short).await.unwrap_err();
    assert!(matches!(error, GitError::Ambiguous { .. }), "{error}");
}

#[tokio::test]
async fn an_unreachable_remote_says_what_git_says() {
    let temp = tempfile::tempdir().unwrap();
    let git = Git::new(temp.path().join("mirror.git"));
    let missing = temp.path().join("no such repo");
    let error = git.fetch(missing.to_str().unwrap(), MINUTE).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, GitError::Unreachable { .. }), "{text}");
    assert!(text.contains("try `git ls-remote"), "{text}");
    assert!(text.contains("does not appear to be a git repository"), "{text}");
}

#[tokio::test]
async fn a_remote_that_says_nothing_runs_into_the_deadline() {
    let temp = tempfile::tempdir().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://127.0.0.1:{}/repo", silent.local_addr().unwrap().port());
    let git = Git::new(temp.path().join("mirror.git"));
    let error = git.fetch(&url, Duration::from_millis(500)).await.unwrap_err();
    assert!(matches!(error, GitError::TooSlow { .. }), "{error}");
}

#[tokio::test]
async fn what_a_killed_fetch_left_does_not_block_the_next() {
    let (_temp, origin) = origin().await;
    origin.commit("One").await;
    let git = origin.mirrored().await;
    let new = origin.commit("Two").await;
    for leftover in [
        "refs/heads/main.lock",
        "packed-refs.lock",
        "config.lock",
        "shallow.lock",
    ] {
        fs::write(git.mirror.join(leftover), "").unwrap();
    }
    let pack = git.mirror.join("objects/pack/tmp_pack_killed");
    fs::write(&pack, "half").unwrap();
    git.fetch(origin.url(), MINUTE).await.unwrap();
    assert_eq!(git.resolve("main").await.unwrap().sha, new);
    assert!(!pack.exists());
}
