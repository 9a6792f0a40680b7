// The link to one other member: "perfect negotiation" (W3C WebRTC, section 10.7) over the room's signaling, through as
// many connections as it takes.

const OFFER_FALLBACK_MS = 1000;     // the newcomer offers itself if nothing has come by then
const ANSWER_WITHIN_MS = 5000;      // then the very same offer goes out again
const OFFER_COPIES_MAX = 3;
const RESTART_AFTER_MS = { polite: 2000, impolite: 5000 };
const REPLACE_AFTER_MS = 15000;     // of not being connected
const REPLACEMENTS_MAX = 5;         // in a row, without a channel that opened
const EARLY_CANDIDATES_MAX = 64;

const fingerprintOf = (sdp) => /^a=fingerprint:(.*)$/m.exec(sdp)?.[1].trim();

export class Link {
  // `signal(type, payload)` sends to the remote; `changed()`, `heard(text)`, `opened()` tell the room.
  constructor({ me, remote, iceServers, signal, changed, heard, opened }) {
    Object.assign(this, { remote, iceServers, signal, changed, heard, opened });
    this.polite = me < remote;      // the lower id is polite
    this.replacements = 0;
    this.chain = Promise.resolve(); // one description at a time
    this.fallback = null;
    this.closed = false;
    this.facts = {};
    this.make();
  }

  make() {
    this.drop();
    const pc = new RTCPeerConnection({ iceServers: this.iceServers });
    Object.assign(this, {
      pc, channel: null, makingOffer: false, ignoreOffer: false, wasStable: false, early: [],
      lastOffer: null, lastAnswer: null, copies: 0, facts: {},
    });
    const current = (handle) => (event) => { if (this.pc === pc && !this.closed) handle(event); };
    pc.onicecandidate = current(({ candidate }) => {
      if (candidate?.candidate) this.signal("webrtc-ice", { candidate: candidate.toJSON() });
    });
    pc.onnegotiationneeded = current(() => this.offer());
    pc.ondatachannel = current(({ channel }) => this.adopt(channel));
    pc.oniceconnectionstatechange = current(() => this.changed());
    pc.onconnectionstatechange = current(() => this.connectionChanged());
    this.changed();
  }

  drop() {
    clearTimeout(this.unanswered);
    clearTimeout(this.restart);
    clearTimeout(this.replace);
    this.channel?.close();
    this.pc?.close();
  }

  close() {
    this.closed = true;
    clearTimeout(this.fallback);
    this.drop();
  }

  get isOpen() { return this.channel?.readyState === "open"; }

  get isWell() { return this.isOpen && this.pc.connectionState === "connected"; }

  // ---- who offers

  // The remote joined after us: it is ours to offer.
  begin() {
    clearTimeout(this.fallback);
    this.adopt(this.pc.createDataChannel("chat"));
    this.watch();
  }

  // It was there before us.
  expect() {
    this.fallback = setTimeout(() => { if (!this.pc.remoteDescription && !this.channel) this.begin(); }, OFFER_FALLBACK_MS);
    this.watch();
  }

  anew() {
    this.make();
    this.begin();
  }

  async offer() {
    const pc = this.pc;
    try {
      this.makingOffer = true;
      await pc.setLocalDescription();
      if (this.pc !== pc || this.closed) return;
      this.signal("webrtc-offer", { offer: pc.localDescription.toJSON() });
      this.copies = 0;
      this.awaitAnswer();
    } catch (error) {
      console.debug("offer", error);
    } finally {
      if (this.pc === pc) this.makingOffer = false;
    }
  }

  awaitAnswer() {
    clearTimeout(this.unanswered);
    const pc = this.pc;
    this.unanswered = setTimeout(() => {
      if (this.pc !== pc || pc.signalingState !== "have-local-offer" || this.copies >= OFFER_COPIES_MAX) return;
      this.copies += 1;
      this.signal("webrtc-offer", { offer: pc.localDescription.toJSON() });
      this.awaitAnswer();
    }, ANSWER_WITHIN_MS);
  }

  // ---- what the remote signals

  description(description) {
    this.chain = this.chain.then(() => this.take(description)).catch((error) => console.debug("description", error));
  }

  async take({ type, sdp }) {
    if (this.closed) return;
    clearTimeout(this.fallback);
    if (type === "offer") {
      if (sdp === this.lastOffer) {
        // A copy asks for the answer once more.
        if (this.lastAnswer) this.signal("webrtc-answer", { answer: this.lastAnswer });
        return;
      }
      const collision = this.makingOffer || this.pc.signalingState !== "stable";
      this.ignoreOffer = !this.polite && collision;
      if (this.ignoreOffer) return;
      const before = this.pc.remoteDescription;
      const replaced = before && fingerprintOf(before.sdp) !== fingerprintOf(sdp);
      // Before the first exchange our own channel would live on beside the remote's.
      if (replaced || (collision && !this.wasStable)) {
        const early = this.early;
        this.make();
        if (!before) this.early = early;
        this.watch();
      }
    }
    const pc = this.pc;
    if (type === "answer" && pc.signalingState !== "have-local-offer") return;
    await pc.setRemoteDescription({ type, sdp });
    if (this.pc !== pc) return;
    if (type === "offer") {
      await pc.setLocalDescription();
      if (this.pc !== pc || this.closed) return;
      this.lastOffer = sdp;
      this.lastAnswer = pc.localDescription.toJSON();
      this.signal("webrtc-answer", { answer: this.lastAnswer });
    }
    clearTimeout(this.unanswered);
    this.wasStable = true;
    for (const candidate of this.early.splice(0)) await this.add(candidate);
    this.changed();
  }

  candidate(candidate) {
    this.chain = this.chain.then(() => {
      if (this.closed) return undefined;
      if (this.pc.remoteDescription) return this.add(candidate);
      if (this.early.length < EARLY_CANDIDATES_MAX) this.early.push(candidate);
      return undefined;
    });
  }

  // A candidate of a connection that is gone is refused, and that is no matter.
  async add(candidate) {
    try {
      // Some stacks know the section by its place alone.
      await this.pc.addIceCandidate(candidate.sdpMid ? candidate : { ...candidate, sdpMid: null });
    } catch (error) {
      console.debug("candidate", error);
    }
  }

  // The way to the server is back: what it may have lost is sent again.
  signalingReturned() {
    if (this.pc.signalingState === "have-local-offer") {
      this.signal("webrtc-offer", { offer: this.pc.localDescription.toJSON() });
      this.awaitAnswer();
    }
  }

  // ---- the channel

  adopt(channel) {
    const pc = this.pc;
    let isKnown = false;
    this.channel = channel;
    // One that comes in is open already, and says so once more.
    channel.onopen = () => {
      if (this.pc !== pc || isKnown) return;
      isKnown = true;
      this.replacements = 0;
      clearTimeout(this.replace);
      this.opened();
      this.changed();
    };
    channel.onmessage = ({ data }) => { if (this.pc === pc && typeof data === "string") this.heard(data); };
    channel.onclose = () => { if (this.pc === pc && !this.closed) { this.changed(); this.watch(); } };
    if (channel.readyState === "open") channel.onopen();
  }

  send(text) {
    if (!this.isOpen) return false;
    try {
      this.channel.send(text);
      return true;
    } catch {
      return false;
    }
  }

  // ---- recovery: wait, restart ICE, replace

  connectionChanged() {
    const state = this.pc.connectionState;
    clearTimeout(this.restart);
    if (state === "connected") {
      clearTimeout(this.replace);
      if (!this.isOpen) this.watch();
    } else if (state === "disconnected" || state === "failed") {
      const wait = RESTART_AFTER_MS[this.polite ? "polite" : "impolite"];
      const pc = this.pc;
      this.restart = setTimeout(() => { if (this.pc === pc) pc.restartIce(); }, state === "failed" && this.polite ? 0 : wait);
      this.watch();
    }
    this.changed();
  }

  // Without an open channel in time the connection is replaced, each time a little later.
  watch() {
    clearTimeout(this.replace);
    const wait = REPLACE_AFTER_MS * (this.polite ? 1 : 1.3) * 2 ** Math.min(this.replacements, 3);
    this.replace = setTimeout(() => {
      if (this.closed || this.isWell) return;
      if (this.replacements >= REPLACEMENTS_MAX) return this.changed();
      this.replacements += 1;
      this.anew();
    }, wait);
  }

  get isGivenUp() { return !this.isWell && this.replacements >= REPLACEMENTS_MAX; }

  // ---- what there is to see

  async look() {
    const pc = this.pc;
    const report = await pc.getStats();
    if (this.pc !== pc) return;
    const all = [...report.values()];
    const transport = all.find((one) => one.type === "transport");
    const pair = report.get(transport?.selectedCandidatePairId)
      ?? all.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
    this.facts = {
      rtt: pair?.currentRoundTripTime,
      local: report.get(pair?.localCandidateId)?.candidateType,
      remote: report.get(pair?.remoteCandidateId)?.candidateType,
    };
    this.changed();
  }
}
