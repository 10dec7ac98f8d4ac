// The parts of the API's answers that the pages use.
export type Project = {
  id: number;
  name: string;
  description: string;
  owner: { id: number; name: string };
  imageCount: number;
  lastImageAt: string | null;
};

export type CellImage = {
  id: number;
  name: string;
  plateCode: string;
  cellCount: number;
};

export type Page<T> = { items: T[] };

export type Statistics = {
  byStatus: { status: string; images: number; cells: number }[];
  byPlate: { plate: string; images: number; meanCells: number; meanConfidence: number | null }[];
};
