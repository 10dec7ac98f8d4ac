// Projects, with a search field.
import debounce from 'lodash/debounce';
import { useEffect, useMemo, useState } from 'react';
import { Link } from 'react-router';
import { DemoNote } from '../components/DemoNote';
import { Thumbnail } from '../components/Thumbnail';
import { useApi } from '../lib/api';
import { count, day } from '../lib/format';
import { sampleProjects } from '../lib/sample';
import type { Page, Project } from '../lib/types';

export function Dashboard() {
  const { data, demo } = useApi<Page<Project>>('/api/projects', sampleProjects);
  const [words, setWords] = useState('');
  const search = useMemo(() => debounce(setWords, 150), []);
  useEffect(() => () => search.cancel(), [search]);

  const projects = data?.items ?? [];
  const shown = projects.filter((p) => p.name.toLowerCase().includes(words.toLowerCase()));
  const images = shown.reduce((sum, p) => sum + p.imageCount, 0);

  return (
    <>
      <div className="head">
        <h1>Projects</h1>
        <DemoNote show={demo} />
        <input type="search" placeholder="Search projects" onChange={(e) => search(e.target.value)} />
      </div>
      <p className="muted">
        {shown.length} projects with {count(images)} images
      </p>
      <ul className="cards">
        {shown.map((p) => (
          <li key={p.id} className="card">
            <Link to="/gallery">
              <Thumbnail id={p.id} cells={24} />
              <h2>{p.name}</h2>
            </Link>
            <p className="muted">{p.description}</p>
            <p>
              {p.owner.name}, {count(p.imageCount)} images{p.lastImageAt && `, last on ${day(p.lastImageAt)}`}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}
