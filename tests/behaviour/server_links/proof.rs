//! A link behind an SFU is two halves: both have to prove that it has recovered.

use rtcstorm::peer::Carries;

use super::*;

const RESTARTED: u64 = 2_000;

/// When the link of Ann's to Bob has recovered from a restart of ICE, where packets of one half are missing until then.
fn recovers(muted: Option<(Carries, u64)>) -> u64 {
    let ann = script(
        &[
            (0, join()),
            (RESTARTED, restart_ice()),
            (RESTARTED, wait(Condition::Recovered)),
        ],
        1_000,
    );
    let bob = linked(&[], 8_000);
    let mut stage = at_janus(JanusPlugin::VideoRoom, ClientRules::default(), vec![ann, bob]);
    if let Some((carries, until)) = muted {
        stage = stage.with_muted(carries, RESTARTED, until);
    }
    let stage = stage.play();
    assert_sound(&stage);
    let recovered = times(&stage, ANN, recovered);
    assert_eq!(recovered.len(), 1, "{:#?}", told(&stage));
    assert_eq!(recovered[0].0, BOB);
    recovered[0].1
}

#[test]
fn neither_half_proves_a_link_without_the_other() {
    assert!(recovers(None) < RESTARTED + 20);
    for carries in [Carries::Published, Carries::Subscribed] {
        let until = RESTARTED + 3_000;
        let recovered = recovers(Some((carries, until)));
        assert!(
            (until..until + 20).contains(&recovered),
            "{carries:?} {recovered}"
        );
    }
}

/// Another publication is asked in the place of the one that has not answered.
#[test]
fn a_publication_that_is_replaced_proves_what_the_last_one_had_to() {
    let ann = script(
        &[
            (0, join()),
            (RESTARTED, restart_ice()),
            (RESTARTED, wait(Condition::Recovered)),
        ],
        1_000,
    );
    let stage = at_janus(
        JanusPlugin::VideoRoom,
        ClientRules::default(),
        vec![ann, linked(&[], 8_000)],
    );
    let stage = stage
        .with_muted(Carries::Published, RESTARTED, RESTARTED + 1_000)
        .with_deed(RESTARTED + 500, |janus: &mut JanusServer, ends| {
            janus.hang_up(ANN, None, ends);
        })
        .play();
    assert_sound(&stage);
    let recovered = times(&stage, ANN, recovered);
    assert_eq!(recovered.len(), 1, "{:#?}", told(&stage));
    let until = RESTARTED + 1_000;
    assert!((until..until + 20).contains(&recovered[0].1), "{recovered:?}");
}
