//! With whose rights PM2 is spoken to. It loads modules from its home, and what listens there
//! can be anything: root does both only as the user whose home it is.

use nix::unistd::{Uid, User};
use serde_json::Value;
use sys::{path_security, user};

use crate::pm2::rpc::{self, RpcError};
use crate::pm2::{Pm2, Pm2Error};

impl Pm2 {
    /// The user whose home it is, where this is root and it is somebody else's.
    pub(super) fn keeper(&self) -> Result<Option<User>, Pm2Error> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let untrusted = |source| Pm2Error::Untrusted {
            home: self.home.clone(),
            source,
        };
        let Some(uid) = path_security::author(&self.home).map_err(untrusted)? else {
            return Ok(None);
        };
        let known = User::from_uid(uid).ok().flatten();
        known.map(Some).ok_or_else(|| Pm2Error::Nobodys {
            home: self.home.clone(),
            uid,
        })
    }

    /// Asks the daemon, with its own user's rights.
    pub(super) async fn call(&self, method: &str) -> Result<Value, RpcError> {
        let socket = self.home.join("rpc.sock");
        let keeper = self.keeper().map_err(|_| RpcError::Odd("a daemon of one user"))?;
        let stream = match &keeper {
            None => rpc::connect(&socket)?,
            Some(keeper) => {
                let _rights = user::as_user(keeper).map_err(|error| RpcError::Io(error.into()))?;
                rpc::connect(&socket)?
            }
        };
        // What stands in the socket's place may lead to somebody else's.
        let whose = stream.peer_cred().map_err(RpcError::Io)?.uid();
        let expected = keeper.map_or(Uid::effective(), |keeper| keeper.uid);
        if Uid::effective().is_root() && expected.as_raw() != whose {
            return Err(RpcError::Odd("a daemon of its home's owner"));
        }
        rpc::call_over(stream, method, rpc::DEADLINE).await
    }
}
