// Reads from the API, with the built-in sample as a stand-in when it is not there.
import { useEffect, useState } from 'react';

async function fetchJson<T>(path: string): Promise<T> {
  const answer = await fetch(path, { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/** The answer (null until it is there), and whether it is the sample. */
export function useApi<T>(path: string, sample: () => T): { data: T | null; demo: boolean } {
  const [state, setState] = useState<{ data: T | null; demo: boolean }>({ data: null, demo: false });
  useEffect(() => {
    let current = true;
    fetchJson<T>(path)
      .then((data) => current && setState({ data, demo: false }))
      .catch(() => current && setState({ data: sample(), demo: true }));
    return () => {
      current = false;
    };
  }, [path, sample]);
  return state;
}
