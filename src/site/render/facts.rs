//! What a host has to say to the files of its NGINX.

/// What was found on the host that the files depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether this NGINX has the realip module.
    pub realip: bool,
    /// Names of the site besides those of bg.toml.
    pub names: Vec<String>,
    /// Whether NGINX tells the route to whoever knows the app's secret, and to no other.
    pub secret: bool,
    /// Whether this NGINX knows `http2 on`; before, it was a word of `listen`.
    pub http2_directive: bool,
    /// The words of each `listen` on which a server of ours refuses unknown names.
    pub refusing: Vec<String>,
}
