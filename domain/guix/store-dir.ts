/** Where Guix has its items. Whatever is built for it anywhere else has other hashes, and nothing of its own farms fits. */
export const guixStoreDir = '/gnu/store';
