//! `rtcstorm report`: what runs have left, in the formats that people and programs read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    args::ReportArgs,
    artifacts::{cannot, put},
    print_data, reread,
};
use crate::{
    base::{PeerId, RoomId},
    report::{FileLine, Format, RunRecord, Wanted},
    verdict::ExitCode,
};

/// Writes each format of the runs: one to stdout or into the file that is named, several into a folder.
pub(super) fn report(args: &ReportArgs) -> ExitCode {
    match write(args) {
        Ok(()) => ExitCode::Pass,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::Configuration
        }
    }
}

fn write(args: &ReportArgs) -> Result<(), String> {
    // Everything is made before anything is written.
    let mut made = Vec::new();
    for format in &args.format {
        let wanted = narrowed(args, *format);
        let runs = args.runs.iter().map(|folder| reread::read(folder, &wanted));
        let runs: Vec<RunRecord> = runs.collect::<Result<_, _>>()?;
        made.push((*format, format.render(&runs)?));
    }
    match (&args.out, &made[..]) {
        (None, [(_, bytes)]) => {
            print_data(bytes);
            Ok(())
        }
        (Some(out), [(_, bytes)]) if !out.is_dir() => put(out, bytes),
        (out, made) => {
            let folder = out.clone().unwrap_or_else(|| PathBuf::from("."));
            fs::create_dir_all(&folder).map_err(|error| cannot("make the folder", &folder, &error))?;
            for (format, bytes) in made {
                let path = folder.join(format.file_name());
                put(&path, bytes)?;
                eprintln!("{}  {}", path.display(), format.about());
            }
            Ok(())
        }
    }
}

fn narrowed(args: &ReportArgs, format: Format) -> Wanted {
    match (format.wanted(), args.link, args.room) {
        (Wanted::All, Some((a, b)), _) => Wanted::Link(PeerId(a), PeerId(b)),
        (Wanted::All, None, Some(room)) => Wanted::Room(RoomId(room)),
        (wanted, ..) => wanted,
    }
}

/// Writes the formats that `run --report` asks for into the folder of the run that has just ended.
pub(super) fn add(folder: &Path, formats: &[Format]) -> Result<Vec<FileLine>, String> {
    let mut files = Vec::new();
    for format in formats {
        let run = reread::read(folder, &format.wanted())?;
        let path = folder.join(format.file_name());
        put(&path, &format.render(std::slice::from_ref(&run))?)?;
        files.push(FileLine {
            path: path.display().to_string(),
            what: format.about().to_owned(),
        });
    }
    Ok(files)
}
