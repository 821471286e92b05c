//! Nothing: the benchmarks are all there is of this package.
