use super::RunRecord;

/// Not there yet.
pub fn text(_runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    Err("not there yet".to_owned())
}
