const esbuild = require('esbuild');
module.exports = function (source, map) { const done = this.async();
  esbuild.transform(source, { loader: 'jsx', sourcemap: 'external', sourcefile: this.resourcePath }).then((out) => done(null, out.code, this.sourceMap ? JSON.parse(out.map) : undefined), done); };
