//! Entries of others, which are stopped and started again and never deleted.

use crate::pm2::{CLI_DEADLINE, Pm2, Pm2Error, Proc};

impl Pm2 {
    /// Stops an entry with its processes; PM2 keeps it in its list.
    ///
    /// # Errors
    /// When it runs all the same.
    pub async fn lay_to_rest(&self, entry: &Proc) -> Result<(), Pm2Error> {
        let stop = self
            .command(["stop".to_owned(), entry.id.to_string()])?
            .deadline(CLI_DEADLINE + entry.kill_timeout);
        let output = stop.finish().await.map_err(Pm2Error::Command)?;
        match self.now(entry).await? {
            Some(now) if now.is_running() => Err(Pm2Error::NotDeleted {
                name: entry.name.clone(),
                said: output.stdout + &output.stderr,
            }),
            _ => Ok(()),
        }
    }

    /// Starts an entry that was stopped, as it was.
    ///
    /// # Errors
    /// When it does not run afterwards.
    pub async fn wake_up(&self, entry: &Proc) -> Result<(), Pm2Error> {
        // `restart` and not `start`: that takes what it needs from the entry itself.
        let start = self.command(["restart".to_owned(), entry.id.to_string()])?;
        start.finish().await.map_err(Pm2Error::Command)?;
        match self.now(entry).await? {
            Some(now) if now.is_running() => Ok(()),
            now => Err(Pm2Error::NoProcess {
                name: entry.name.clone(),
                status: now.map_or_else(|| "gone".to_owned(), |now| now.status),
                script: entry.script.clone(),
                folder: entry.cwd.clone(),
            }),
        }
    }

    async fn now(&self, entry: &Proc) -> Result<Option<Proc>, Pm2Error> {
        let named = self.named(&entry.name).await?;
        Ok(named.into_iter().find(|now| now.id == entry.id))
    }
}
