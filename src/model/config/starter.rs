pub fn starter(_g: &crate::host::guess::Guess) -> String {
    String::new()
}
