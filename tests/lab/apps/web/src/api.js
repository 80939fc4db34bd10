import { useEffect, useState } from "react";

/** What a route answers, or an error that says why it could not. */
export async function get(path) {
  const response = await fetch(path);
  const body = await response.json();
  if (!response.ok) {
    throw new Error(body.problem ?? `${path} answered ${response.status}`);
  }
  return body;
}

/** Asks once, when the page is shown. */
export function useAnswer(path) {
  const [state, setState] = useState({});
  useEffect(() => {
    get(path).then(
      (answer) => setState({ answer }),
      (error) => setState({ error: error.message }),
    );
  }, [path]);
  return state;
}
