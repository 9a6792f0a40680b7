//! Which runs may be merged: those of one plan's segments, each once.

use super::merge::Source;
use crate::{
    plan::Segment,
    report::{Launch, SegmentLaunch},
};

/// What has to be the same, in words, and what a run was begun with there.
type Told = (&'static str, fn(&Launch) -> String);

/// Whether all are parts of one run.
///
/// # Errors
/// Which folder differs from the first one, and in what.
pub(super) fn check(sources: &[Source]) -> Result<(), String> {
    let [first, others @ ..] = sources else {
        return Ok(());
    };
    let told: [Told; 6] = [
        ("the scenario's hash", |launch| launch.scenario_hash.clone()),
        ("the seed", |launch| launch.seed.to_string()),
        ("the version of rtcstorm", |launch| launch.version.clone()),
        ("the world", |launch| launch.world.clone()),
        ("whether the server was started for the run", |launch| {
            launch.own_server.to_string()
        }),
        ("whether thresholds are judged", |launch| {
            launch.judge_thresholds.to_string()
        }),
    ];
    for other in others {
        let differs = |(what, of): &Told| {
            let (mine, theirs) = (of(&first.opened.launch), of(&other.opened.launch));
            (mine != theirs).then_some((*what, mine, theirs))
        };
        if let Some((what, mine, theirs)) = told.iter().find_map(differs) {
            return Err(format!(
                "{} is no segment of the same run as {}: they differ in {what} ({theirs}, not {mine})\n  help: only segments of one scenario, seed, version and world add up",
                other.folder.display(),
                first.folder.display()
            ));
        }
    }
    Ok(())
}

/// The segments that are not there, of those that have rooms.
///
/// # Errors
/// A segment is there twice, of another count, or the whole run; or one is missing and that was not asked for.
pub(super) fn missing(
    sources: &[Source],
    segments: &[(Segment, SegmentLaunch)],
    partial: bool,
) -> Result<Vec<Segment>, String> {
    let Some((first, first_launch)) = segments.first() else {
        return Ok(Vec::new());
    };
    for (segment, launched) in segments {
        if segment.count() == 1 {
            return Err(format!(
                "{} has played the whole plan: there is nothing to be added\n  help: `rtcstorm merge` takes the runs of `rtcstorm run … --segment K/N`",
                launched.folder
            ));
        }
        if segment.count() != first.count() {
            return Err(format!(
                "{} is segment {segment}, and {} is segment {first}\n  help: only segments of one N add up",
                launched.folder, first_launch.folder
            ));
        }
    }
    for pair in segments.windows(2) {
        let [(segment, one), (other, two)] = pair else {
            continue;
        };
        if segment == other {
            return Err(format!(
                "{} and {} are both segment {segment}\n  help: name each segment once",
                one.folder, two.folder
            ));
        }
    }
    let rooms = sources.first().map_or(0, |source| source.opened.scenario.rooms);
    let missing: Vec<Segment> = Segment::all(first.count())
        .filter(|segment| segment.has_rooms(rooms) && segments.iter().all(|(there, _)| there != segment))
        .collect();
    if !partial && !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        return Err(format!(
            "of the {} segments, {} {} missing\n  help: name its folder, too, or merge what is there with `--partial`",
            first.count(),
            names.join(", "),
            if names.len() == 1 { "is" } else { "are" }
        ));
    }
    Ok(missing)
}
