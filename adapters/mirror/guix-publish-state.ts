/** In a folder in the layout of guix publish, the folder with what Drover knows of it: nobody else reads it. */
export const guixPublishState = '.drover';
