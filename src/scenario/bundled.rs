/// The scenarios that ship with the program, by name: each is a file of `scenarios/`, so that a name works
/// where no file is at hand.
pub fn bundled() -> &'static [(&'static str, &'static str)] {
    &[]
}
