//! What a frontend ships: build, find assets, strip content hashes, compress, attribute.
