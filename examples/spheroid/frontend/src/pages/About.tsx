// A few words on the app. Loaded on demand.
export default function About() {
  return (
    <section className="panel prose">
      <h1>About Spheroid</h1>
      <p>
        Spheroid keeps projects of microscope images. A small U-Net finds the cells in each image, people correct the
        masks in the editor, and the charts follow a culture over time.
      </p>
      <p className="muted">It is a sample app: small enough to read, real enough to be slow in real ways.</p>
    </section>
  );
}
