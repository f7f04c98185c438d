use super::Config;
#[derive(Clone, Debug, serde::Serialize)]
pub struct Change {
    pub key: String,
    pub old: String,
    pub new: String,
}
pub fn difference(_o: &Config, _n: &Config) -> Vec<Change> {
    Vec::new()
}
pub fn needs_setup(_c: &[Change]) -> bool {
    false
}
