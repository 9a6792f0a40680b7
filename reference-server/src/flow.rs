use tokio::sync::watch;

/// Whether a server's tasks go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They do.
    Running,
    /// They stand still, and so do their clocks.
    Paused,
    /// They finish what they are at.
    Stopping,
    /// They drop everything where it is.
    Killed,
}

/// Where all tasks of a server read it. What is over does not begin again.
#[derive(Debug)]
pub(crate) struct FlowSwitch(watch::Sender<Flow>);

impl FlowSwitch {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Flow::Running))
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.0.send_if_modified(|flow| {
            let next = match (*flow, paused) {
                (Flow::Running, true) => Flow::Paused,
                (Flow::Paused, false) => Flow::Running,
                _ => return false,
            };
            *flow = next;
            true
        });
    }

    pub(crate) fn stop(&self) {
        self.0.send_if_modified(|flow| {
            let goes_on = matches!(flow, Flow::Running | Flow::Paused);
            if goes_on {
                *flow = Flow::Stopping;
            }
            goes_on
        });
    }

    pub(crate) fn kill(&self) {
        self.0.send_replace(Flow::Killed);
    }

    pub(crate) fn watch(&self) -> FlowWatch {
        FlowWatch(self.0.subscribe())
    }
}

/// One task's view of it.
#[derive(Debug, Clone)]
pub(crate) struct FlowWatch(watch::Receiver<Flow>);

impl FlowWatch {
    /// Completes when the server does not stand still, and says what it does instead.
    pub(crate) async fn unpaused(&mut self) -> Flow {
        self.until(|flow| flow != Flow::Paused).await
    }

    /// Completes when there is something new since the last look.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Completes when the server ends, in whatever way.
    pub(crate) async fn over(&mut self) -> Flow {
        self.until(|flow| matches!(flow, Flow::Stopping | Flow::Killed))
            .await
    }

    /// Completes when everything is to be dropped.
    pub(crate) async fn killed(&mut self) {
        self.until(|flow| flow == Flow::Killed).await;
    }

    async fn until(&mut self, is_so: impl Fn(Flow) -> bool) -> Flow {
        match self.0.wait_for(|flow| is_so(*flow)).await {
            Ok(flow) => *flow,
            // Nobody is left who could say so.
            Err(_) => Flow::Killed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_ends_and_an_end_does_not() {
        let switch = FlowSwitch::new();
        let mut watch = switch.watch();
        switch.pause(false);
        assert_eq!(watch.unpaused().await, Flow::Running);
        switch.pause(true);
        assert_eq!(*watch.0.borrow(), Flow::Paused);
        switch.stop();
        switch.pause(true);
        switch.pause(false);
        assert_eq!(watch.unpaused().await, Flow::Stopping);
        switch.kill();
        switch.stop();
        assert_eq!(watch.over().await, Flow::Killed);
    }
}
