// The pass in quadratic features where K F is small (at most 64): a lane takes a row at a time, and has
// sums of its own. params are center (D,), inverse_scale (D,) and theta (K, F), F features of D columns.

#define WARPS 4

extern "C" __global__ void __launch_bounds__(WARPS * 32)
per_row_pass(const ROW *__restrict__ x, i64 n, const double *__restrict__ params,
             const double *__restrict__ row_weights, double *__restrict__ sums,
             double *__restrict__ log_density, double *__restrict__ resp) {
  __shared__ double given[2 * D + K * F], shared[K * F + 2];
  for (int i = threadIdx.x; i < 2 * D + K * F; i += WARPS * 32) given[i] = params[i];
  __syncthreads();
  const double *center = given, *inverse_scale = given + D, *theta = given + 2 * D;
  double s[K][F], loglik = 0.0, certainty = 0.0;
#pragma unroll
  for (int k = 0; k < K; k++)
#pragma unroll
    for (int f = 0; f < F; f++) s[k][f] = 0.0;

  const i64 step = (i64)gridDim.x * WARPS * 32;
  i64 at = (i64)blockIdx.x * WARPS * 32 + threadIdx.x;
  Row row = read(x, n, at);
  for (; at < n; at += step) {
    double phi[F], c[K];
    phi[0] = 1.0;
#pragma unroll
    for (int j = 0; j < D; j++) phi[1 + j] = ((double)row.v[j] - center[j]) * inverse_scale[j];
    row = read(x, n, at + step);
    int next = 1 + D;
#pragma unroll
    for (int i = 0; i < D; i++)
#pragma unroll
      for (int j = i; j < (DIAGONAL ? i + 1 : D); j++, next++) phi[next] = phi[1 + i] * phi[1 + j];
    double peak = -1e300;
#pragma unroll
    for (int k = 0; k < K; k++) {
      c[k] = theta[k * F];
#pragma unroll
      for (int f = 1; f < F; f++) c[k] = fma(theta[k * F + f], phi[f], c[k]);
      peak = fmax(peak, c[k]);
    }
    double total = 0.0;
#pragma unroll
    for (int k = 0; k < K; k++) total += c[k] = exp_negative(c[k] - peak);
    const double log_total = log(total), weight = row_weights ? row_weights[at] : 1.0;
    loglik += weight * (peak + log_total);
    certainty -= weight * log_total;
    if (log_density) log_density[at] = peak + log_total;
    const double factor = (resp ? 1.0 : weight) / total;
#pragma unroll
    for (int k = 0; k < K; k++) {
      const double r = c[k] * factor;
      if (resp) resp[at * K + k] = r;
#pragma unroll
      for (int f = 0; f < F; f++) s[k][f] = fma(r, phi[f], s[k][f]);
    }
  }
  if (!sums) return;

  // The warps' sums, added in their order.
  for (int w = 0; w < WARPS; w++) {
    if (threadIdx.x / 32 == w) {
#pragma unroll
      for (int k = 0; k < K; k++)
#pragma unroll
        for (int f = 0; f < F; f++) {
          const double v = add_lanes(s[k][f]);
          if (threadIdx.x % 32 == 0) shared[k * F + f] = (w ? shared[k * F + f] : 0.0) + v;
        }
      const double l = add_lanes(loglik), c = add_lanes(certainty);
      if (threadIdx.x % 32 == 0) {
        shared[K * F] = (w ? shared[K * F] : 0.0) + l;
        shared[K * F + 1] = (w ? shared[K * F + 1] : 0.0) + c;
      }
    }
    __syncthreads();
  }
  for (int i = threadIdx.x; i < K * F + 2; i += WARPS * 32)
    sums[(i64)blockIdx.x * (K * F + 2) + i] = shared[i];
}
