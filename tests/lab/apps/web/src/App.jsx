import { useState } from "react";

import { get, useAnswer } from "./api.js";

export function App() {
  const { answer: release } = useAnswer("/api/version");
  return (
    <>
      <header>
        <h1>Acme appointments</h1>
        {release && <Release {...release} />}
      </header>
      <Greeting />
      <Events />
    </>
  );
}

function Release({ commit, version, environment }) {
  return (
    <dl>
      <div className="environment">
        <dt>Environment</dt>
        <dd>{environment}</dd>
      </div>
      <div>
        <dt>Version</dt>
        <dd>{version}</dd>
      </div>
      <div>
        <dt>Commit</dt>
        <dd>
          <code title={commit}>{commit.slice(0, 12)}</code>
        </dd>
      </div>
    </dl>
  );
}

function Greeting() {
  const [name, setName] = useState("");
  const [state, setState] = useState({});

  async function greet(event) {
    event.preventDefault();
    setState({ waiting: true });
    try {
      setState({ answer: await get(`/api/greet?name=${encodeURIComponent(name)}`) });
    } catch (error) {
      setState({ error: error.message });
    }
  }

  return (
    <section>
      <h2>Greeting</h2>
      <p>A workflow of this environment&rsquo;s own Temporal computes it.</p>
      <form onSubmit={greet}>
        <input aria-label="Name" placeholder="Your name" value={name} onChange={(event) => setName(event.target.value)} />
        <button disabled={state.waiting}>{state.waiting ? "Asking…" : "Greet"}</button>
      </form>
      {state.error && <p role="alert">{state.error}</p>}
      {state.answer && (
        <output>
          <strong>{state.answer.greeting}</strong>
          <small>
            computed by <code>{state.answer.computed_by}</code> in {state.answer.environment}
          </small>
        </output>
      )}
    </section>
  );
}

function Events() {
  const { answer: events, error } = useAnswer("/api/events");
  return (
    <section>
      <h2>Events</h2>
      {error && <p role="alert">{error}</p>}
      {events?.length === 0 && <p>None yet: the scripts of package.json write some.</p>}
      {events?.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>When</th>
              <th>Booking</th>
              <th>What</th>
            </tr>
          </thead>
          <tbody>
            {events.map(({ id, at, booking, kind, details }) => (
              <tr key={id}>
                <td>{new Date(at).toLocaleString()}</td>
                <td>{booking}</td>
                <td>
                  {kind} {details}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
