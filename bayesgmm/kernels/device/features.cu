// The pass in quadratic features, all in one kernel: log joint densities Theta Phi', softmax over the
// components, sums R' Phi. A warp makes the features of 32 rows at a time, sees AT_ONCE tiles of 8 of
// them at once, and keeps its sums in registers.
//
// D columns; DIAGONAL or not; components padded to KP (a multiple of 16), of which the last 8 are none
// where HALF; F features padded to FP (a multiple of 8). Theta's padding has zeros, but a constant of
// about minus infinity. params are center (D,), inverse_scale (D,) and theta (KP, FP).

#ifndef WARPS
#define WARPS 4
#endif
#define ROWS 32
#define STRIDE 36              // of a feature's 32 rows in shared memory: no two lanes meet in a bank
#define MANY_FACTORS (KP <= 64 ? 128 : 32)   // 64^128 and 2^32^32 are below the largest double
#define M_TILES (KP / 16)
#define F_TILES (FP / 8)
#define USED (KP - 8 * HALF)

#define OF_LANE (2 * AT_ONCE)          // rows of which a lane has components
#define LANES_OF_ROW (4 / AT_ONCE)     // lanes with the same q that end with the same row

// The row of a tile of 8 that column n of a product stands for: both products then read the
// features without bank conflicts.
__device__ __forceinline__ int row_of(int n) { return n < 4 ? n : n ^ 1; }

// A value of each of a lane's rows, together with those of the other lanes' components: at each
// exchange a lane keeps half of the rows, until it has one.
template <class Together>
__device__ __forceinline__ double over_components(double (&part)[OF_LANE], int g, Together together) {
  int width = OF_LANE;
#pragma unroll
  for (int bit = 4; bit > 0; bit /= 2) {
    if (width == 1) {
      part[0] = together(part[0], __shfl_xor_sync(FULL, part[0], 4 * bit));
      continue;
    }
    width /= 2;
#pragma unroll
    for (int i = 0; i < width; i++) {
      const double send = g & bit ? part[i] : part[i + width];
      const double keep = g & bit ? part[i + width] : part[i];
      part[i] = together(keep, __shfl_xor_sync(FULL, send, 4 * bit));
    }
  }
  return part[0];
}

extern "C" __global__ void __launch_bounds__(WARPS * 32, MIN_BLOCKS)
features_pass(const ROW *__restrict__ x, i64 n, const double *__restrict__ params, int n_components,
              const double *__restrict__ row_weights, double *__restrict__ sums,
              double *__restrict__ log_density, double *__restrict__ resp) {
  const double *center = params, *inverse_scale = center + D, *theta = inverse_scale + D;
  extern __shared__ double shared[];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, q = lane % 4;
  double *phi = shared + warp * FP * STRIDE;
  for (int f = F; f < FP; f++) phi[f * STRIDE + lane] = 0.0;

  double *own = shared + WARPS * FP * STRIDE;  // Theta in the order in which lanes read it
  for (int i = threadIdx.x; i < M_TILES * F_TILES * 128; i += WARPS * 32) {
    int l = i % 32, part = i / 32 % 4, t = i / 128 % F_TILES, m = i / 128 / F_TILES;
    own[i] = theta[(16 * m + l / 4 + 8 * (part % 2)) * FP + 8 * t + l % 4 + 4 * (part / 2)];
  }
  __syncthreads();

  double s[M_TILES][F_TILES][4];
#pragma unroll
  for (int m = 0; m < M_TILES; m++)
#pragma unroll
    for (int t = 0; t < F_TILES; t++)
#pragma unroll
      for (int i = 0; i < 4; i++) s[m][t][i] = 0.0;
  double loglik = 0.0, certainty = 0.0;

  const i64 step = (i64)gridDim.x * WARPS * ROWS;
  // Logarithms of many rows at once: of the product of their totals, each from 1 to K.
  const bool plain = !row_weights && !log_density;
  double product = 1.0;
  int n_factors = 0;
  Row row = read(x, n, ((i64)blockIdx.x * WARPS + warp) * ROWS + lane);
  for (i64 start = ((i64)blockIdx.x * WARPS + warp) * ROWS; start < n; start += step) {
    const i64 mine = start + lane;
    {  // features of the lane's own row
      double z[D];
#pragma unroll
      for (int j = 0; j < D; j++) z[j] = ((double)row.v[j] - center[j]) * inverse_scale[j];
      row = read(x, n, mine + step);
      phi[lane] = 1.0;
#pragma unroll
      for (int j = 0; j < D; j++) phi[(1 + j) * STRIDE + lane] = z[j];
      int f = 1 + D;
#pragma unroll
      for (int i = 0; i < D; i++)
#pragma unroll
        for (int j = i; j < (DIAGONAL ? i + 1 : D); j++, f++) phi[f * STRIDE + lane] = z[i] * z[j];
    }
    __syncwarp();

#pragma unroll 1
    for (int from = 0; from < ROWS; from += 8 * AT_ONCE) {
      const double *seen = phi + from;
      // c[m][v]: components g, g + 8 of tile m by rows row_of(2q), row_of(2q + 1) of tile v
      double c[M_TILES][AT_ONCE][4];
#pragma unroll
      for (int m = 0; m < M_TILES; m++)
#pragma unroll
        for (int v = 0; v < AT_ONCE; v++)
#pragma unroll
          for (int i = 0; i < 4; i++) c[m][v][i] = 0.0;
#pragma unroll
      for (int t = 0; t < F_TILES; t++) {
        double b0[AT_ONCE], b1[AT_ONCE];
#pragma unroll
        for (int v = 0; v < AT_ONCE; v++) {
          b0[v] = seen[(8 * t + q) * STRIDE + 8 * v + row_of(g)];
          b1[v] = seen[(8 * t + q + 4) * STRIDE + 8 * v + row_of(g)];
        }
#pragma unroll
        for (int m = 0; m < M_TILES; m++) {
          const double *a = own + (m * F_TILES + t) * 128 + lane;
#pragma unroll
          for (int v = 0; v < AT_ONCE; v++)
            multiply_add(c[m][v], a[0], a[32], a[64], a[96], b0[v], b1[v]);
        }
      }

      double part[OF_LANE];
#pragma unroll
      for (int i = 0; i < OF_LANE; i++) {
        double top = c[0][i / 2][i % 2];
#pragma unroll
        for (int m = 0; m < M_TILES; m++) {
          if (m > 0) top = fmax(top, c[m][i / 2][i % 2]);
          if (16 * m + 8 < USED) top = fmax(top, c[m][i / 2][2 + i % 2]);
        }
        part[i] = top;
      }
      const double peak = over_components(part, g, [](double a, double b) { return fmax(a, b); });
#pragma unroll
      for (int i = 0; i < OF_LANE; i++) {
        const double of_row = __shfl_sync(FULL, peak, LANES_OF_ROW * 4 * i + q);
        double total = 0.0;
#pragma unroll
        for (int m = 0; m < M_TILES; m++)
#pragma unroll
          for (int up = 0; up < 2; up++)
            if (16 * m + 8 * up < USED) {
              double &term = c[m][i / 2][2 * up + i % 2];
              term = exp_negative(term - of_row);
              total += term;
            }
        part[i] = total;
      }
      const double total = over_components(part, g, [](double a, double b) { return a + b; });
      // The row whose peak and total this lane has, and whether it is the one that counts it.
      const int number = g / LANES_OF_ROW;
      const i64 at = start + from + 8 * (number / 2) + row_of(2 * q + number % 2);
      const bool counts = at < n && g % LANES_OF_ROW == 0;
      const double weight = at >= n ? 0.0 : row_weights ? row_weights[at] : 1.0;
      if (plain) {
        product *= counts ? total : 1.0;
        loglik += counts ? peak : 0.0;
        if (++n_factors == MANY_FACTORS) {
          certainty -= log(product);
          product = 1.0;
          n_factors = 0;
        }
      } else if (counts) {
        const double log_total = log(total);
        loglik += weight * peak;
        certainty -= weight * log_total;
        if (log_density) log_density[at] = peak + log_total;
      }
      const double factor = (resp ? 1.0 : weight) / total;

#pragma unroll
      for (int i = 0; i < OF_LANE; i++) {
        const double of_row = __shfl_sync(FULL, factor, LANES_OF_ROW * 4 * i + q);
#pragma unroll
        for (int m = 0; m < M_TILES; m++) {
          double *low = &c[m][i / 2][i % 2], *high = low + 2;
          *low *= of_row;
          *high = 16 * m + 8 < USED ? *high * of_row : 0.0;
        }
      }
      if (resp) {
#pragma unroll
        for (int i = 0; i < OF_LANE; i++) {
          const i64 r = start + from + 8 * (i / 2) + row_of(2 * q + i % 2);
#pragma unroll
          for (int m = 0; m < M_TILES; m++)
#pragma unroll
            for (int up = 0; up < 2; up++)
              if (r < n && 16 * m + 8 * up + g < n_components)
                resp[r * n_components + 16 * m + 8 * up + g] = c[m][i / 2][2 * up + i % 2];
        }
      }
      if (sums) {
        // Rows 2q + h of a tile are the contracted index: what a lane has is what the product wants.
#pragma unroll
        for (int v = 0; v < AT_ONCE; v++)
#pragma unroll
          for (int t = 0; t < F_TILES; t++) {
            const double b0 = seen[(8 * t + g) * STRIDE + 8 * v + row_of(2 * q)];
            const double b1 = seen[(8 * t + g) * STRIDE + 8 * v + row_of(2 * q + 1)];
#pragma unroll
            for (int m = 0; m < M_TILES; m++)
              multiply_add(s[m][t], c[m][v][0], c[m][v][2], c[m][v][1], c[m][v][3], b0, b1);
          }
      }
    }
    __syncwarp();
  }

  // The warps' sums, added in their order.
  __syncthreads();
  double *mine = shared;
  certainty -= log(product);
  loglik = add_lanes(loglik - certainty);
  certainty = add_lanes(certainty);
  for (int w = 0; w < WARPS; w++) {
    if (warp == w) {
#pragma unroll
      for (int m = 0; m < M_TILES; m++)
#pragma unroll
        for (int t = 0; t < F_TILES; t++)
#pragma unroll
          for (int i = 0; i < 4; i++) {
            int at = (16 * m + g + 8 * (i / 2)) * FP + 8 * t + 2 * q + i % 2;
            mine[at] = (w ? mine[at] : 0.0) + s[m][t][i];
          }
      if (lane == 0) {
        mine[KP * FP] = (w ? mine[KP * FP] : 0.0) + loglik;
        mine[KP * FP + 1] = (w ? mine[KP * FP + 1] : 0.0) + certainty;
      }
    }
    __syncthreads();
  }
  if (sums)
    for (int i = threadIdx.x; i < KP * FP + 2; i += WARPS * 32)
      sums[(i64)blockIdx.x * (KP * FP + 2) + i] = mine[i];
}
