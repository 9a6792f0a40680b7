//! The user's own configuration: a file that no scenario brings along.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use super::load::show;
use crate::scenario::UserConfig;

/// The largest file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads it; without one, nothing is configured. `None`: what is wrong has been printed.
pub(super) fn read(given: Option<&Path>) -> Option<UserConfig> {
    let usual = || usual_place(|name| env::var_os(name).map(PathBuf::from));
    let Some(path) = given.map(Path::to_owned).or_else(usual) else {
        return Some(UserConfig::default());
    };
    let text = match text_of(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && given.is_none() => {
            return Some(UserConfig::default());
        }
        Err(error) => {
            eprintln!(
                "error: the configuration {} cannot be read: {error}\n  help: name another one with `--config FILE`",
                path.display()
            );
            return None;
        }
    };
    match UserConfig::parse(&path.display().to_string(), &text) {
        Ok(config) => Some(config),
        Err(mistakes) => {
            eprint!("{}", show(&mistakes));
            None
        }
    }
}

fn text_of(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is larger than {MAX_BYTES} bytes"),
        ));
    }
    fs::read_to_string(path)
}

/// Where the platform's users keep such files (XDG Base Directory Specification). What is set to nothing, or to a path
/// that depends on where one stands, is as good as not set.
fn usual_place(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let variable = |name| variable(name).filter(|path| path.is_absolute());
    let folder = match cfg!(windows) {
        true => variable("APPDATA"),
        false => variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config"))),
    };
    Some(folder?.join("rtcstorm").join("config.yaml"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn it_lies_where_the_users_other_ones_do() {
        let place = |set: &[(&str, &str)]| {
            let path = usual_place(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| PathBuf::from(value))
            });
            path.map(|path| path.display().to_string())
        };
        let home = ("HOME", "/home/ann");
        let usual = Some("/home/ann/.config/rtcstorm/config.yaml".to_owned());
        assert_eq!(place(&[home]), usual);
        assert_eq!(place(&[home, ("XDG_CONFIG_HOME", "")]), usual);
        assert_eq!(place(&[home, ("XDG_CONFIG_HOME", "here")]), usual);
        let other = Some("/etc/ann/rtcstorm/config.yaml".to_owned());
        assert_eq!(place(&[home, ("XDG_CONFIG_HOME", "/etc/ann")]), other);
        assert_eq!(place(&[]), None);
    }
}
